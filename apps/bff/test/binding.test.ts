import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { agentFamily, agentLabel } from '@audience-bridge/bff/session/agent.ts'
import { type BindingRules, SessionBindings } from '@audience-bridge/bff/session/binding.ts'
import type { Session } from '@audience-bridge/bff/session/session.ts'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'

const LINUX = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'
const CHROME = `${LINUX} Chrome/141.0.0.0 Safari/537.36`
const MAC =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)'
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)'

/** As a browser names itself before and after an update, and as a person knows it. */
const BROWSERS: [label: string, before: string, after: string][] = [
  ['Chrome on Linux', CHROME, `${LINUX} Chrome/142.0.7444.59 Safari/537.36`],
  [
    'Firefox on Windows',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0.2',
  ],
  [
    'Safari on macOS',
    `${MAC} Version/18.6 Safari/605.1.15`,
    `${MAC} Version/26.0.1 Safari/605.1.15`,
  ],
  [
    'Edge on macOS',
    `${MAC} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.3537.57`,
    `${MAC} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.3595.53`,
  ],
  [
    'Safari on iPhone',
    `${IPHONE} Version/18.6 Mobile/15E148 Safari/604.1`,
    `${IPHONE.replace('18_6', '26_0_1')} Version/26.0 Mobile/15E149 Safari/604.1`,
  ],
  [
    'Samsung Internet on Android',
    'Mozilla/5.0 (Linux; Android 14; SM-G991B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36',
    'Mozilla/5.0 (Linux; Android 15; SM-G991B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36',
  ],
  ['curl', 'curl/8.14.1', 'curl/8.16.0'],
]

test('a browser that updates itself stays the same one', () => {
  for (const [label, before, after] of BROWSERS) {
    assert.equal(agentLabel(before), label)
    assert.equal(agentFamily(before), agentFamily(after), label)
  }
  const families = BROWSERS.map(([, before]) => agentFamily(before))
  assert.equal(new Set(families).size, BROWSERS.length, 'and no other')
  assert.match(agentFamily(CHROME), /Linux x86_64.*Chrome/)
  assert.equal(agentLabel(''), 'Unknown')
  assert.ok(agentFamily('x'.repeat(100_000)).length <= 512)
})

type Seen = Pick<IncomingMessage, 'socket' | 'headers'>
const from = (remoteAddress: string, headers: Record<string, string> = {}): Seen =>
  ({ socket: { remoteAddress }, headers }) as unknown as Seen

test('networks by their leading bits', () => {
  const rules: BindingRules = {
    ...{ agent: 'off', network: 'strict', ipv4Bits: 24, ipv6Bits: 48 },
    isTrustedProxy: () => false,
  }
  const key = randomBytes(32)
  const bindings = new SessionBindings({ keys: { current: key, all: [key] }, failed: () => {} })
  const fits = (login: string, later: string, at = rules, changed = rules) => {
    const session = { binding: bindings.bind(from(login), at) } as Session
    return bindings.judge(session, from(later), changed).kind === 'fits'
  }
  const cases: [login: string, later: string, fits: boolean][] = [
    ['203.0.113.5', '203.0.113.250', true],
    ['203.0.113.5', '203.0.112.5', false],
    ['203.0.113.5', '::ffff:203.0.113.9', true],
    ['2001:db8:1:2::3', '2001:0DB8:0001:ffff:1:2:3:4', true],
    ['2001:db8:1:2::3', '2001:db8:2:2::3', false],
    ['2001:db8::1', '2001:db8:0:ffff::', true],
    ['::1', '::2', true],
    ['fe80::1%eth0', 'fe80::2', true],
    ['203.0.113.5', '2001:db8:1:2::3', false],
    ['203.0.113.5', '', false],
    // What could not be known then binds nothing.
    ['', '203.0.113.5', true],
  ]
  for (const [login, later, expected] of cases) {
    assert.equal(fits(login, later), expected, `${login} then ${later}`)
  }
  const wider = { ...rules, ipv4Bits: 16 }
  assert.equal(fits('203.0.113.5', '203.0.112.5', wider), true)
  assert.equal(fits('203.0.113.5', '203.0.112.5', wider, rules), true, 'by the bits of its login')
  assert.equal(fits('203.0.113.5', '203.0.113.9', rules, wider), true)
})

test('what fitted is not hashed again, and a new rule is asked at once', () => {
  const rules: BindingRules = {
    ...{ agent: 'strict', network: 'off', ipv4Bits: 24, ipv6Bits: 48 },
    isTrustedProxy: () => false,
  }
  const key = randomBytes(32)
  const failed: string[] = []
  const keys = { current: key, all: [key] }
  const bindings = new SessionBindings({ keys, failed: (fault) => failed.push(fault) })
  const session = {
    binding: bindings.bind(from('203.0.113.5', { 'user-agent': CHROME }), rules),
  } as Session
  const elsewhere = from('198.51.100.1', { 'user-agent': CHROME })
  assert.equal(bindings.judge(session, elsewhere, rules).kind, 'fits')
  // Without a key nothing can be hashed: only what was remembered can answer.
  keys.all = []
  assert.equal(bindings.judge(session, elsewhere, rules).kind, 'fits')
  assert.equal(bindings.judge(session, elsewhere, { ...rules, network: 'strict' }).kind, 'refused')
  assert.deepEqual(failed, ['user_agent'])
})

const PATH = '/api/v1/analytics/workflows'
const binding = (text: string) =>
  replace('  absolute_seconds: 28800\n', `  absolute_seconds: 28800\n  binding: {${text}}\n`)
const PROXY = replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.1, "::1"]')
const SETTINGS = 'BFF/config/settings.yaml'

test('a session is of the browser that began it', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: { [SETTINGS]: PROXY },
  })
  const owner = await gateway.signedIn(USERS.admin)
  const csrf = await owner.csrfToken()
  const thief = (method: string, path: string, more: [string, string][] = []) =>
    gateway.raw(method, path, [
      ['Cookie', owner.cookie],
      ['User-Agent', CHROME],
      ['X-CSRF-Token', csrf],
      ...more,
    ])
  const metric = async (name: string) => {
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    const text = await (await fetch(`${gateway.bff}/metrics`, { headers })).text()
    return Number(
      new RegExp(`^bff_session_binding_failures_total\\{reason="${name}"\\} (\\d+)`, 'm').exec(
        text,
      )?.[1] ?? 0,
    )
  }

  await t.test('another one is refused, whatever it asks for', async () => {
    echo.arrivals.length = 0
    const refused = await assertProblem(await thief('GET', PATH), 'SESSION_EXPIRED')
    await assertProblem(await thief('POST', '/api/crud/projects'), 'SESSION_EXPIRED')
    await assertProblem(await thief('GET', '/admin/config'), 'SESSION_REQUIRED')
    await assertProblem(await thief('GET', '/api/auth/sessions'), 'SESSION_EXPIRED')
    await assertProblem(await thief('GET', '/api/auth/events'), 'SESSION_EXPIRED')
    const session = await thief('GET', '/api/auth/session')
    assert.deepEqual(JSON.parse(session.body), { authenticated: false })
    assert.deepEqual(echo.arrivals, [])
    assert.ok((await metric('user_agent')) >= 6)
    assert.equal(refused.explanation, undefined, 'the thief is no administrator')

    const explained = (await (
      await owner.fetch(`/admin/explain/${refused.correlation_id}`)
    ).json()) as {
      broken: { code: string; mend: string }
    }
    assert.equal(explained.broken.code, 'session_elsewhere')
    assert.match(explained.broken.mend, /session\.binding\.user_agent/)
    const line = gateway.logs.find((log) => log.event === 'bff_session_binding_failed')
    assert.equal(line?.reason, 'user_agent')
  })

  await t.test('and signs its user out neither by that nor by signing out or in', async () => {
    await thief('POST', '/auth/logout?everywhere=true')
    await thief('DELETE', `/api/auth/sessions/${'a'.repeat(64)}`)
    assert.equal((await owner.fetch(PATH)).status, 200)
    // The attack: a login of the thief's own, in which the stolen cookie comes along.
    const mallory = gateway.visitor()
    const page = await mallory.openLogin('/x')
    const landed = await mallory.submitLogin(page, USERS.member, async (callback) => {
      const answer = await gateway.raw('GET', callback.pathname + callback.search, [
        ['Cookie', `${owner.cookie}; ${mallory.cookie}`],
        ['User-Agent', CHROME],
      ])
      assert.equal(answer.status, 302)
    })
    await landed.body?.cancel()
    assert.equal((await owner.fetch(PATH)).status, 200)
  })

  await t.test('without a User-Agent is another browser', async () => {
    const bare = await gateway.raw('GET', PATH, [
      ['Cookie', owner.cookie],
      ['User-Agent', ''],
    ])
    await assertProblem(bare, 'SESSION_EXPIRED')
  })

  const moved = (more: [string, string][] = []) =>
    gateway.raw('GET', PATH, [
      ['Cookie', owner.cookie],
      ['X-Forwarded-For', '203.0.113.7'],
      ...more,
    ])

  await t.test('another network is counted, once for each change', async () => {
    const before = await metric('network')
    assert.equal((await moved()).status, 200)
    assert.equal((await moved()).status, 200)
    assert.equal(await metric('network'), before + 1)
  })

  await t.test('or refused, where that is configured, by a running gateway', async () => {
    gateway.reconfigure({ [SETTINGS]: binding('network: strict') })
    await assertProblem(await moved(), 'SESSION_EXPIRED')
    assert.equal((await owner.fetch(PATH)).status, 200)
  })

  await t.test('or not looked at; nor is the browser', async () => {
    gateway.reconfigure({
      [SETTINGS]: replace('{network: strict}', '{network: off, user_agent: off}'),
    })
    assert.equal((await moved([['User-Agent', CHROME]])).status, 200)
  })

  await t.test('or heals by a login that nobody sees', async () => {
    gateway.reconfigure({
      [SETTINGS]: replace('{network: off, user_agent: off}', '{network: reauthorize}'),
    })
    const old = await gateway.openSession(owner)
    const problem = await assertProblem(await moved(), 'REAUTHORIZATION_REQUIRED')
    const { login_url: url } = problem as { login_url: string }
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    let response = await owner.fetch(url, { headers })
    for (let next = response.headers.get('location'); next !== '/' && next !== null; ) {
      response = await owner.fetch(new URL(next, response.url).href, { headers })
      next = response.headers.get('location')
    }
    assert.equal((await owner.fetch(PATH, { headers })).status, 200)
    assert.ok(old)
    // The old one has been replaced, not doubled.
    const { sessions } = (await (await owner.fetch('/api/auth/sessions', { headers })).json()) as {
      sessions: unknown[]
    }
    assert.equal(sessions.length, 1)
  })
})

test('a direct caller is not believed about its address', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: { [SETTINGS]: inOrder(binding('network: strict')) },
  })
  const owner = await gateway.signedIn()
  const answer = await gateway.raw('GET', PATH, [
    ['Cookie', owner.cookie],
    ['X-Forwarded-For', '203.0.113.7'],
  ])
  assert.equal(answer.status, 200)
})
