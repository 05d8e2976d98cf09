import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import type { Echo } from '@audience-bridge/testkit/echo.ts'
import type { AppProcess, Nodes } from '@audience-bridge/testkit/nodes.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { NAMES, SERVICES, type Service, signInMany, startPair } from './nodes-world.ts'

const SESSIONS = 50
const CALLS = 1_000

/** How often the IdP minted a token for one of the services. */
function mints({ idp }: Nodes, grant: string): number {
  const audiences = new Set<unknown>(NAMES.map((name) => SERVICES[name].audience))
  return idp.logs.filter(
    ({ message, grant_type: by, aud }) =>
      message === 'token issued' && by === grant && audiences.has(aud),
  ).length
}

const read = async (response: Response) => ({
  status: response.status,
  body: await response.text(),
})

/** Counts the leases that are held in Redis. */
const LEASES = `local held = 0
for _, key in ipairs(redis.call('KEYS', 'bff:session:*')) do
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.find(field, '^lease:') then held = held + 1 end
  end
end
return held`

/** 1,000 calls at once; each session and service comes to both nodes. */
function callAll(nodes: Nodes, visitors: readonly Visitor[]) {
  return Array.from({ length: CALLS }, (_, i) => {
    const who = visitors[i % SESSIONS]
    const service = NAMES[Math.floor(i / SESSIONS) % NAMES.length]
    const node = nodes.bffs[Math.floor(i / (SESSIONS * NAMES.length)) % 2]
    assert.ok(who && service && node)
    // A refused connection or an answer cut short is told like a status.
    const answer = nodes
      .call(node, who, `${SERVICES[service].path}?service=${service}`)
      .then(async (response) => ({ status: response.status, body: await response.text() }))
      .catch((cause: Error) => ({ status: 0, body: cause.message }))
    return { who, service, node, answer }
  })
}

/** No call went anywhere with a token for somewhere else. */
function assertAudiences(echo: Echo): void {
  for (const { url, claims } of echo.arrivals) {
    const service = new URL(url, 'http://x').searchParams.get('service') as Service
    assert.equal(claims?.aud, SERVICES[service].audience, url)
  }
}

async function assertAlive(nodes: Nodes, node: AppProcess, visitors: readonly Visitor[]) {
  for (const who of visitors) {
    const session = await (await nodes.call(node, who, '/api/auth/session')).json()
    assert.equal((session as { authenticated: boolean }).authenticated, true)
  }
}

for (const [how, grant] of [
  ['token_exchange', 'urn:ietf:params:oauth:grant-type:token-exchange'],
  // Each mint sends the refresh token and gets another one: two at once would end the session.
  ['refresh_resource', 'refresh_token'],
] as const) {
  test(`1,000 first calls at once, 50 sessions, 4 services, 2 nodes: 200 mints by ${how}`, async (t) => {
    const { echo, nodes } = await startPair(t, how)
    const visitors = await signInMany(nodes, SESSIONS)
    const began = performance.now()
    const answers = await Promise.all(callAll(nodes, visitors).map(({ answer }) => answer))
    t.diagnostic(`${CALLS} calls in ${Math.round(performance.now() - began)} ms`)
    assert.deepEqual(answers.filter(({ status }) => status !== 200).slice(0, 3), [])
    assert.equal(mints(nodes, grant), SESSIONS * NAMES.length)
    assert.equal(echo.arrivals.length, CALLS)
    assertAudiences(echo)
    for (const node of nodes.bffs) await assertAlive(nodes, node, visitors)
  })

  test(`a node that is killed in mid-mint by ${how} costs no session and one mint a key`, async (t) => {
    const { redis, echo, nodes } = await startPair(t, how)
    const [victim, survivor] = nodes.bffs
    assert.ok(victim && survivor)
    const visitors = await signInMany(nodes, SESSIONS)
    // The IdP takes what is sent, and answers once the victim is gone.
    nodes.idp.pause()
    const calls = callAll(nodes, visitors)
    await until(
      'mints under way on both nodes',
      async () => Number(await redis.cli('eval', LEASES, '0')) > SESSIONS,
    )
    await victim.stop('SIGKILL')
    nodes.idp.resume()
    const ended = await Promise.all(
      calls.map(async (call) => ({ ...call, ...(await call.answer) })),
    )
    const cut = ended.filter(({ status }) => status !== 200)
    assert.ok(cut.length > 0, 'the kill met calls under way')
    const began = performance.now()
    const repeated = await Promise.all(
      cut.map(({ who, service }) =>
        nodes.call(survivor, who, `${SERVICES[service].path}?service=${service}`).then(read),
      ),
    )
    t.diagnostic(`${cut.length} calls repeated in ${Math.round(performance.now() - began)} ms`)
    assert.deepEqual(repeated.filter(({ status }) => status !== 200).slice(0, 3), [])
    const interrupted = new Set(cut.map(({ who, service }) => `${who.cookie} ${service}`)).size
    const minted = mints(nodes, grant)
    t.diagnostic(`${minted} mints, ${interrupted} interrupted keys`)
    assert.ok(minted >= SESSIONS * NAMES.length && minted <= SESSIONS * NAMES.length + interrupted)
    assertAudiences(echo)
    await assertAlive(nodes, survivor, visitors)
    // Each grant goes on: what the survivor holds is what the IdP takes.
    const before = mints(nodes, grant)
    nodes.reconfigure({
      'BFF/config/settings.yaml': replace(
        'analytics_service: application.all',
        'analytics_service: {scopes: application.all, requires: any}',
      ),
    })
    await until('the new configuration', () =>
      survivor.logs.some(({ message }) => message === 'config reloaded'),
    )
    const again = await Promise.all(
      visitors.map((who) =>
        nodes.call(survivor, who, `${SERVICES.analytics.path}?service=analytics`).then(read),
      ),
    )
    assert.deepEqual(again.filter(({ status }) => status !== 200).slice(0, 3), [])
    assert.equal(mints(nodes, grant) - before, SESSIONS)
  })
}
