import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { type Echo, startEcho } from '@audience-bridge/testkit/echo.ts'
import { type AppProcess, type Nodes, startNodes } from '@audience-bridge/testkit/nodes.ts'
import { startRedis, withRedis } from '@audience-bridge/testkit/redis.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { lazily } from './minting.ts'

const SESSIONS = 50
const CALLS = 1_000

/** By service: how it is called, and exactly whom its tokens are for. */
const SERVICES = {
  analytics: {
    path: '/api/v1/analytics/x',
    audience: 'https://analytics.ocg.labs.empowernow.ai',
  },
  crud: { path: '/api/crud/x', audience: 'https://crud.ocg.labs.empowernow.ai' },
  idp: { path: '/api/idp/x', audience: 'https://idp.ocg.labs.empowernow.ai/api/v1' },
  reports: { path: '/api/reports/x', audience: 'https://idp.ocg.labs.empowernow.ai/api/admin' },
} as const
type Service = keyof typeof SERVICES
const NAMES = Object.keys(SERVICES) as Service[]

/** Two BFFs on one Redis, four services, and nothing minted ahead. */
async function startPair(t: TestContext, how: string) {
  const redis = await startRedis(t)
  const echo = await startEcho(t)
  const route = (id: string, path: string, service: string) =>
    `  - id: ${id}\n    path: ${path}\n    target_service: ${service}\n    auth: session\n`
  const nodes = await startNodes(t, {
    count: 2,
    edits: {
      'BFF/config/settings.yaml': inOrder(
        lazily,
        replace('auth:\n', 'auth:\n  idp_timeout_seconds: 60\n'),
        withRedis(redis, redis.directory),
        (text) => text.replace(/events:\n(?: .*\n)+/, ''),
        replace(
          'service_audiences:\n',
          `service_audiences:\n  reports_service: ${SERVICES.reports.audience}\n`,
        ),
        // What the refresh token carries: a refresh never narrows below it.
        (text) =>
          text.replace(
            /service_scopes:\n(?: {2}.*\n)+/,
            `service_scopes:\n${NAMES.map((name) => `  ${name}_service: application.all\n`).join('')}`,
          ),
        (text) =>
          `${text}\nservice_mint:\n${NAMES.map((name) => `  ${name}_service: ${how}\n`).join('')}`,
      ),
      'BFF/config/routes.yaml': inOrder(
        (text) => text.replaceAll(/base_url: .*/g, `base_url: ${echo.origin}`),
        replace(
          'services:\n',
          `services:\n  idp_service:\n    base_url: ${echo.origin}\n  reports_service:\n    base_url: ${echo.origin}\n`,
        ),
        (text) =>
          `${text}\n${route('idp', '/api/idp/*', 'idp_service')}${route('reports', '/api/reports/*', 'reports_service')}`,
      ),
    },
  })
  return { redis, echo, nodes }
}

/** How often the IdP minted a token for one of the services. */
function mints({ idp }: Nodes, grant: string): number {
  const audiences = new Set<unknown>(NAMES.map((name) => SERVICES[name].audience))
  return idp.logs.filter(
    ({ message, grant_type: by, aud }) =>
      message === 'token issued' && by === grant && audiences.has(aud),
  ).length
}

async function signInMany(nodes: Nodes, count: number): Promise<Visitor[]> {
  const visitors: Visitor[] = []
  // A few at a time: each login hashes a password.
  while (visitors.length < count) {
    const some = Math.min(5, count - visitors.length)
    visitors.push(...(await Promise.all(Array.from({ length: some }, () => nodes.signedIn()))))
  }
  return visitors
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
