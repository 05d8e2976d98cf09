import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import test, { type TestContext } from 'node:test'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { pino } from 'pino'
import { parse, stringify } from 'yaml'
import { createLogoutDelivery, LogoutRefused } from '../src/logout-delivery.ts'
import type { Browser, Page } from './browser.ts'
import { claimsOf, discover, type Login, login, logoutUrl } from './relying-party.ts'
import { AFTER_LOGOUT, CALLBACK, SECRET, startIdp, type TestIdp } from './start-idp.ts'
import { until } from './until.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** A client's server that is told of sign-outs, and answers as `answer` says. */
async function startReceiver(t: TestContext) {
  const receiver = {
    told: [] as string[],
    uri: '',
    answer: (res: ServerResponse): void => void res.writeHead(204).end(),
  }
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    req.on('end', () => {
      receiver.told.push(
        new URLSearchParams(body).get('logout_token') ?? `${req.method} ${req.url}`,
      )
      receiver.answer(res)
    })
  }).listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  receiver.uri = `http://localhost:${address.port}/logout`
  return receiver
}

const WEB = {
  ...{ client_secret: SECRET, first_party: true, redirect_uris: [CALLBACK] },
  ...{ grant_types: ['authorization_code'], scopes: ['openid', 'profile', 'email'] },
  post_logout_redirect_uris: [AFTER_LOGOUT],
}
const SCOPE = 'openid profile email'

async function signOut(
  idp: TestIdp,
  clientId: string,
  { tokens, browser }: Pick<Login, 'tokens' | 'browser'>,
): Promise<Page> {
  const config = await discover(idp, clientId)
  const page = await browser.open(logoutUrl(config, tokens.id_token).href)
  return browser.submit(page, {})
}

async function signIn(idp: TestIdp, clientId: string, browser?: Browser): Promise<Login> {
  const config = await discover(idp, clientId)
  return login(config, { scope: SCOPE, ...(browser === undefined ? {} : { browser }) })
}

async function readMessage(idp: TestIdp, jwt: string | undefined, audience: string) {
  const keys = createRemoteJWKSet(new URL(`${idp.issuer}/jwks`))
  const checks = { issuer: idp.issuer, audience, typ: 'logout+jwt' }
  const { payload } = await jwtVerify(String(jwt), keys, checks)
  return payload
}

test('a sign-out is told to the clients of that session', async (t) => {
  const [one, two] = [await startReceiver(t), await startReceiver(t)]
  const idp = await startIdp(t, {
    clients: {
      one: { ...WEB, backchannel_logout_uri: one.uri },
      two: {
        ...{ ...WEB, backchannel_logout_uri: two.uri },
        backchannel_logout_session_required: false,
      },
    },
  })
  const here = await signIn(idp, 'one')
  await signIn(idp, 'two', here.browser)
  const elsewhere = await signIn(idp, 'one')

  const done = await signOut(idp, 'one', here)
  assert.equal(done.location, AFTER_LOGOUT)
  assert.deepEqual([one.told.length, two.told.length], [1, 1])

  await t.test('as the standard says, by sub and sid', async () => {
    const message: JWTPayload = await readMessage(idp, one.told[0], 'one')
    assert.equal(message.sub, 'user-alice')
    assert.equal(message.sid, claimsOf(here.tokens.id_token).sid)
    assert.notEqual(message.sid, claimsOf(elsewhere.tokens.id_token).sid)
    assert.deepEqual(message.events, { [EVENT]: {} })
    assert.equal(message.nonce, undefined)
    assert.ok(message.jti)
    assert.ok(Number(message.exp) - Number(message.iat) <= 120)
  })
  await t.test('without sid where the client does not ask for it', async () => {
    const message = await readMessage(idp, two.told[0], 'two')
    assert.equal(message.sid, undefined)
    assert.equal(message.sub, 'user-alice')
  })
  await t.test('and to no client of another one', async () => {
    await signOut(idp, 'one', elsewhere)
    assert.equal(one.told.length, 2)
    assert.equal(two.told.length, 1)
  })
  await t.test('and never to who stays signed in', async () => {
    const { browser, tokens } = await signIn(idp, 'one')
    const config = await discover(idp, 'one')
    // Without a hint the user is asked, and this one does not press the button.
    await browser.open(logoutUrl(config, undefined).href)
    assert.equal(one.told.length, 2)
    assert.ok(tokens.id_token)
  })
  await t.test('as discovery promises', async () => {
    const metadata = (await discover(idp, 'one')).serverMetadata()
    assert.equal(metadata.backchannel_logout_supported, true)
    assert.equal(metadata.backchannel_logout_session_supported, true)
    assert.equal(metadata.frontchannel_logout_supported, true)
    assert.equal(metadata.frontchannel_logout_session_supported, true)
  })
})

test('a user who is gone is signed out everywhere, and his clients are told', async (t) => {
  const receiver = await startReceiver(t)
  const clients = { one: { ...WEB, backchannel_logout_uri: receiver.uri } }
  const idp = await startIdp(t, { clients })
  const [here, there] = [await signIn(idp, 'one'), await signIn(idp, 'one')]
  const config = await discover(idp, 'one')
  const other = await login(config, { scope: SCOPE, username: 'bob' })

  const { users } = idp.settings.accounts
  const all = parse(readFileSync(users, 'utf8'))
  const [alice, bob] = all.users
  writeFileSync(users, stringify({ users: [bob] }))
  await idp.reload()
  await until(() => receiver.told.length === 2)
  const sids = await Promise.all(
    receiver.told.map(async (jwt) => (await readMessage(idp, jwt, 'one')).sid),
  )
  const expected = [here, there].map(({ tokens }) => claimsOf(tokens.id_token).sid)
  assert.deepEqual(sids.sort(), expected.sort())

  // Who comes back has no session of before.
  writeFileSync(users, stringify({ users: [alice, bob] }))
  await idp.reload()
  assert.equal((await login(config, { scope: SCOPE, browser: here.browser })).asked, true)
  const still = await login(config, { scope: SCOPE, browser: other.browser })
  assert.equal(still.asked, false)
})

test('a client that cannot be told', async (t) => {
  const names = ['late', 'deaf', '400', '404', '302'] as const
  const receivers = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await startReceiver(t)] as const)),
  ) as Record<(typeof names)[number], Awaited<ReturnType<typeof startReceiver>>>
  const clients = Object.fromEntries(
    Object.entries(receivers).map(([name, { uri }]) => [
      name,
      { ...WEB, backchannel_logout_uri: uri },
    ]),
  )
  const idp = await startIdp(t, { clients })
  const warningOf = (name: string) =>
    idp.logs.find(
      ({ message, client }) => message === 'client not told of the sign-out' && client === name,
    )

  await t.test('is told a little later, with a message of its own', async () => {
    const { late } = receivers
    late.answer = (res) => void res.writeHead(late.told.length === 1 ? 503 : 204).end()
    await signOut(idp, 'late', await signIn(idp, 'late'))
    await until(() => late.told.length === 2)
    const [first, second] = await Promise.all(late.told.map((jwt) => readMessage(idp, jwt, 'late')))
    assert.notEqual(first?.jti, second?.jti)
    assert.equal(first?.sid, second?.sid)
    assert.equal(warningOf('late')?.again, true)
  })

  await t.test('does not keep the user waiting', async () => {
    receivers.deaf.answer = () => {}
    const session = await signIn(idp, 'deaf')
    const done = await signOut(idp, 'deaf', session)
    assert.equal(done.location, AFTER_LOGOUT)
    // The call itself is given up, and logged, after 2.5 s.
    assert.equal(receivers.deaf.told.length, 1)
    assert.equal(warningOf('deaf'), undefined)
  })

  for (const status of ['400', '404', '302'] as const) {
    await t.test(`and answers ${status} is not asked again`, async () => {
      const receiver = receivers[status]
      receiver.answer = (res) =>
        void res.writeHead(Number(status), { location: `${idp.origin}/health` }).end()
      await signOut(idp, status, await signIn(idp, status))
      await until(() => warningOf(status) !== undefined)
      assert.equal(warningOf(status)?.reason, `it answered ${status}`)
      assert.equal(warningOf(status)?.again, false)
      assert.equal(receiver.told.length, 1)
    })
  }
})

test('a delivery', async (t) => {
  const logs: Record<string, unknown>[] = []
  const log = pino({ messageKey: 'message' }, { write: (line) => void logs.push(JSON.parse(line)) })

  await t.test('is given up after the last pause', async () => {
    let calls = 0
    const delivery = createLogoutDelivery(log, [0.001, 0.001])
    await delivery.tell('c', async () => {
      calls++
      throw new Error('away')
    })
    await until(() => logs.some(({ again }) => again === false))
    assert.equal(calls, 3)
  })

  await t.test('is given up when the client refuses it', async () => {
    let calls = 0
    await createLogoutDelivery(log, [0.001]).tell('c', async () => {
      calls++
      throw new LogoutRefused('no')
    })
    assert.equal(logs.at(-1)?.again, false)
    assert.equal(calls, 1)
  })

  await t.test('ends with the process, and says so', async () => {
    const delivery = createLogoutDelivery(log, [60])
    await delivery.tell('c', async () => {
      throw new Error('away')
    })
    delivery.close()
    assert.equal(logs.at(-1)?.reason, 'the IdP stops')
  })
})

test('a browser that signs out calls the clients of its session', async (t) => {
  const front = (path: string) => `https://app.example${path}`
  const idp = await startIdp(t, {
    clients: {
      one: { ...WEB, frontchannel_logout_uri: front('/one?keep=1') },
      two: {
        ...{ ...WEB, frontchannel_logout_uri: 'https://other.example/two' },
        frontchannel_logout_session_required: false,
      },
      silent: WEB,
    },
  })
  const both = await signIn(idp, 'one')
  await signIn(idp, 'two', both.browser)
  await signIn(idp, 'silent', both.browser)
  const page = await signOut(idp, 'one', both)

  await t.test('each in a hidden frame, by issuer and session where it asks for them', () => {
    assert.equal(page.status, 200)
    const frames = [...page.html.matchAll(/<iframe src="([^"]+)" hidden>/g)].map(([, url]) =>
      String(url).replaceAll('&#38;', '&'),
    )
    const expected = new URL(front('/one?keep=1'))
    expected.searchParams.set('iss', idp.issuer)
    expected.searchParams.set('sid', String(claimsOf(both.tokens.id_token).sid))
    assert.deepEqual(frames, [expected.href, 'https://other.example/two'])
  })
  await t.test('and no other place', () => {
    const policy = String(page.headers.get('content-security-policy'))
    assert.match(policy, /; frame-src https:\/\/app\.example https:\/\/other\.example$/)
    assert.match(policy, /default-src 'none'/)
    assert.doesNotMatch(policy, /unsafe-inline/)
    assert.equal(page.headers.get('x-frame-options'), 'DENY')
  })
  await t.test('and goes on from there, also without scripts', () => {
    assert.equal(page.location, undefined)
    assert.match(
      page.html,
      new RegExp(`<meta http-equiv="refresh" content="3;url=${AFTER_LOGOUT}">`),
    )
    assert.match(page.html, new RegExp(`<a id="next" href="${AFTER_LOGOUT}">`))
  })
  await t.test('or goes on at once when there is none', async () => {
    const done = await signOut(idp, 'silent', await signIn(idp, 'silent'))
    assert.equal(done.location, AFTER_LOGOUT)
  })
})
