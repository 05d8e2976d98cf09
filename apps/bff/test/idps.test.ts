import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { decodeJwt, SignJWT } from 'jose'
import { principalIn } from '../src/tokens/claims.ts'
import { ANALYTICS, CRUD, EDITS, type FrontendsWorld, startFrontends } from './frontends-world.ts'

const ROUTES = `
  - id: crud-bearer
    path: /bearer/crud/*
    target_service: crud_service
    auth: bearer
  - id: analytics-bearer
    path: /bearer/analytics/*
    target_service: analytics_service
    auth: bearer
`

const BEARERS = { ...EDITS, 'BFF/config/routes.yaml': (text: string) => `${text}${ROUTES}` }

/** A machine's token of the partner's IdP. */
async function partnerToken({ partner }: FrontendsWorld, resource: string, scope: string) {
  const secret = readFileSync(partner.clientSecret.slice('file:'.length), 'utf8').trim()
  const answer = await fetch(`${partner.issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`bff-server:${secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope }),
  })
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  assert.ok(token)
  return token
}

async function ownToken({ gateway }: FrontendsWorld, resource: string, scope: string) {
  const form = { grant_type: 'client_credentials', resource, scope }
  const answer = (await (await gateway.askIdp('token', form)).json()) as { access_token?: string }
  assert.ok(answer.access_token)
  return answer.access_token
}

test('a bearer token is verified by the entry of its issuer and its audience', async (t) => {
  const world = await startFrontends(t, { edits: BEARERS })
  const { gateway, partner, echo } = world
  const send = (path: string, token: string) =>
    gateway.visitor().fetch(path, { headers: { authorization: `Bearer ${token}` } })
  const own = {
    crud: await ownToken(world, CRUD, 'crud.read'),
    analytics: await ownToken(world, ANALYTICS, 'api.read'),
  }
  const theirs = {
    crud: await partnerToken(world, CRUD, 'crud.read'),
    analytics: await partnerToken(world, ANALYTICS, 'api.read'),
  }

  await t.test('and forwarded as it came', async () => {
    for (const token of [own.crud, theirs.crud]) {
      echo.arrivals.length = 0
      assert.equal((await send('/bearer/crud/x', token)).status, 200)
      assert.equal(echo.arrivals[0]?.headers.authorization, `Bearer ${token}`)
    }
    assert.equal((await send('/bearer/analytics/x', own.analytics)).status, 200)
  })

  await t.test('and refused where no entry admits its issuer for that audience', async () => {
    echo.arrivals.length = 0
    // Signed by a configured IdP, for exactly this service: and yet not its to open.
    await assertProblem(await send('/bearer/analytics/x', theirs.analytics), 'TOKEN_INVALID')
    for (const token of [own.analytics, theirs.analytics]) {
      await assertProblem(await send('/bearer/crud/x', token), 'TOKEN_INVALID')
    }
    assert.deepEqual(echo.arrivals, [])
  })

  await t.test('and refused when the issuer that it names did not sign it', async () => {
    const key = new TextEncoder().encode('x'.repeat(32))
    const forged = (issuer: string) =>
      new SignJWT({ scope: 'crud.read', sub: 'user-ada', roles: ['admin'] })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(CRUD)
        .setExpirationTime('5m')
        .sign(key)
    echo.arrivals.length = 0
    // The payload of a good token of one IdP, under the name of the other.
    const [head, payload = '', signature] = theirs.crud.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const swapped = Buffer.from(
      JSON.stringify({ ...claims, iss: `${gateway.idp}/api/oidc` }),
    ).toString('base64url')
    for (const token of [
      [head, swapped, signature].join('.'),
      await forged(partner.issuer),
      await forged(`${gateway.idp}/api/oidc`),
      await forged(`${echo.origin}/`),
      await forged(`${partner.issuer}/`),
      'opaque-token-of-somebody',
    ]) {
      await assertProblem(await send('/bearer/crud/x', token), 'TOKEN_INVALID')
    }
    assert.deepEqual(echo.arrivals, [], 'nor is anything fetched from where a token says')
    await assertProblem(await gateway.visitor().fetch('/bearer/crud/x'), 'TOKEN_REQUIRED')
  })

  await t.test('and two entries of one issuer are two', async () => {
    gateway.reconfigure({
      'BFF/config/idps.yaml': (text) =>
        `${text}  - name: partner-analytics\n    issuer: \${PARTNER_ISSUER}\n    audience: ${ANALYTICS}\n`,
    })
    assert.equal((await send('/bearer/analytics/x', theirs.analytics)).status, 200)
    assert.equal((await send('/bearer/crud/x', theirs.crud)).status, 200)
    await assertProblem(await send('/bearer/crud/x', theirs.analytics), 'TOKEN_INVALID')
  })

  await t.test('and the IdP of auth is bound to its entries once it has any', async () => {
    gateway.reconfigure({
      'BFF/config/idps.yaml': (text) =>
        `${text}  - name: own\n    issuer: ${gateway.idp}/api/oidc\n    audience: ${CRUD}\n`,
    })
    assert.equal((await send('/bearer/crud/x', own.crud)).status, 200)
    await assertProblem(await send('/bearer/analytics/x', own.analytics), 'TOKEN_INVALID')
  })
})

test('users of two IdPs are two, whatever their subject', async (t) => {
  const world = await startFrontends(t, { edits: BEARERS })
  const { gateway, partner, echo, origins } = world

  await t.test('to a backend that is called with a machine token', async () => {
    gateway.reconfigure({
      'BFF/config/settings.yaml': (text) =>
        `${text}service_mint:\n  crud_service: client_credentials\n`,
    })
    const shop = await gateway.signedIn(USERS.member, origins.shop)
    const first = await gateway.signedIn(USERS.member)
    echo.arrivals.length = 0
    for (const who of [shop, first]) assert.equal((await who.fetch('/api/crud/x')).status, 200)
    const told = echo.arrivals.map(({ headers, claims }) => [
      claims?.iss,
      decodeJwt(String(headers['x-user-assertion'])).sub,
    ])
    assert.deepEqual(told, [
      [partner.issuer, 'auth:account:acme:user-ben'],
      [`${gateway.idp}/api/oidc`, 'user-ben'],
    ])
  })

  await t.test('and a silent login does not swap one for the other', async () => {
    const shop = await gateway.signedIn(USERS.member, origins.shop)
    // The frontend moves to the other IdP, where somebody of the same subject is signed in.
    gateway.reconfigure({
      'BFF/config/settings.yaml': replace('    idp: partner\n', ''),
      'IdP/config/clients.yaml': replace('desk.localhost', 'shop.localhost'),
    })
    await gateway.restartIdp()
    const page = await shop.follow(await shop.fetch(`${origins.first}/auth/login`))
    await shop.submitLogin(page, USERS.member)
    const stopped = await shop.follow(
      await shop.fetch('/auth/login?prompt=none'),
      (next) => next.pathname === '/auth/login',
    )
    assert.equal(stopped.headers.get('location'), '/auth/login?return_to=%2F', 'asks the person')
    const opened = await gateway.openSession(shop)
    assert.equal(opened?.issuer, partner.issuer, 'its session goes on at its own IdP')
  })
})

test('roles of another IdP are what its mapping says', async (t) => {
  const { gateway, origins } = await startFrontends(t)
  const admin = () => gateway.signedIn(USERS.admin, origins.shop)
  assert.equal((await (await admin()).fetch('/admin/config')).status, 200)

  await t.test('and nothing that it sends under another name', async () => {
    gateway.reconfigure({
      'BFF/config/idps.yaml': replace('- source: roles', '- source: realm_access.roles'),
    })
    const shop = await admin()
    await assertProblem(await shop.fetch('/admin/config'), 'ADMIN_REQUIRED')
    const own = await gateway.signedIn(USERS.admin)
    assert.equal((await own.fetch('/admin/config')).status, 200, 'our own IdP goes on as it was')
  })

  await t.test('also when the claims come in one text, as permissions', async () => {
    gateway.reconfigure({
      'BFF/config/idps.yaml': (text) =>
        `${text}      permissions:\n        - source: name\n          format: space_delimited\n`,
    })
    const session = await (await admin()).session()
    assert.ok(session.authenticated)
    assert.deepEqual(session.user.permissions, ['Test', 'ada'])
  })
})

test('a session whose IdP is configured no longer opens nothing, and is kept', async (t) => {
  const { gateway, origins, echo } = await startFrontends(t)
  const shop = await gateway.signedIn(USERS.admin, origins.shop)
  const first = await gateway.signedIn(USERS.admin)
  await until('the tokens', async () => (await gateway.openSession(shop))?.tokens.size === 2)
  assert.equal((await shop.fetch('/admin/config')).status, 200)
  let idps = ''
  gateway.reconfigure({
    'BFF/config/settings.yaml': replace('    idp: partner\n', ''),
    'BFF/config/idps.yaml': (text) => {
      idps = text
      return 'idps: []\n'
    },
  })
  echo.arrivals.length = 0
  // The token is there, and so is the role that the partner gave.
  await assertProblem(await shop.fetch('/api/crud/x'), 'SESSION_EXPIRED')
  await assertProblem(await shop.fetch('/auth/verify'), 'SESSION_EXPIRED')
  await assertProblem(await shop.fetch('/api/auth/sessions'), 'SESSION_EXPIRED')
  await assertProblem(await shop.fetch('/admin/config'), 'SESSION_REQUIRED')
  assert.deepEqual(await shop.session(), { authenticated: false })
  assert.deepEqual(echo.arrivals, [])
  assert.equal((await first.fetch('/api/crud/x')).status, 200)

  gateway.reconfigure({
    'BFF/config/settings.yaml': replace('  shop:\n', '  shop:\n    idp: partner\n'),
    'BFF/config/idps.yaml': () => idps,
  })
  assert.equal((await shop.fetch('/api/crud/x')).status, 200)
  assert.equal((await shop.fetch('/admin/config')).status, 200)
  const verified = await shop.fetch('/auth/verify')
  assert.match(String(verified.headers.get('x-user-id')), /^auth:account:acme:/)
})

test('a user of an issuer that is not configured has no name', () => {
  const idps = [
    { issuer: 'https://own', provider: undefined },
    { issuer: 'https://partner', provider: 'acme' },
  ]
  const nameAt = (issuer: string) => principalIn(idps, { issuer, user: { sub: 'ada' } })
  assert.equal(nameAt('https://own'), 'ada')
  assert.equal(nameAt('https://partner'), 'auth:account:acme:ada')
  assert.throws(() => nameAt('https://gone'), /not configured/)
  assert.throws(() => nameAt('https://own/'), /not configured/)
})

test('a mistyped issuer signs nobody out, nor does what goes on in the background', async (t) => {
  const time = { ahead: 0 }
  const world = await startFrontends(t, {
    clock: () => Math.floor(Date.now() / 1000) + time.ahead,
  })
  const { gateway, origins } = world
  const first = await gateway.signedIn(USERS.member)
  const admin = await gateway.signedIn(USERS.admin, origins.shop)
  const opened = await until('the tokens', async () => {
    const session = await gateway.openSession(first)
    return session?.tokens.size === 2 ? session : undefined
  })
  const unanswered = async () => {
    const text = await (await admin.fetch('/metrics')).text()
    return /^bff_token_exchange_total\{.*status="unavailable".*\} [1-9]/m.test(text)
  }
  gateway.reconfigure({ 'BFF/config/settings.yaml': replace('/api/oidc}', '/api/odic}') })
  await assertProblem(await first.fetch('/api/crud/x'), 'SESSION_EXPIRED')
  assert.equal(await unanswered(), false)
  // The tokens are due, and used lately: they are to be renewed ahead.
  time.ahead = Math.max(...[...opened.tokens.values()].map(dueIn)) + 1
  await until('a renewal', unanswered)
  assert.ok(await gateway.openSession(first), 'the record is kept')

  gateway.reconfigure({ 'BFF/config/settings.yaml': replace('/api/odic}', '/api/oidc}') })
  time.ahead = 0
  assert.equal((await first.fetch('/api/crud/x')).status, 200)
})

const dueIn = ({ renewAt }: { renewAt: number }) => Math.ceil(renewAt - Date.now() / 1000)

test('the log names who did it among the users of all IdPs', async (t) => {
  const { gateway, origins } = await startFrontends(t)
  const shop = await gateway.signedIn(USERS.member, origins.shop)
  const other = await gateway.signedIn(USERS.member, origins.shop)
  const lines = (event: string) => gateway.logs.filter((line) => line.event === event)
  const name = 'auth:account:acme:user-ben'
  const listed = (await (await shop.fetch('/api/auth/sessions')).json()) as {
    sessions: { id: string; current: boolean }[]
  }
  const id = listed.sessions.find(({ current }) => !current)?.id
  const ended = await shop.fetch(`/api/auth/sessions/${id}`, {
    method: 'DELETE',
    headers: { 'x-csrf-token': await shop.csrfToken() },
  })
  assert.equal(ended.status, 204)
  assert.deepEqual(
    lines('bff_session_ended').map(({ by }) => by),
    [name],
  )
  assert.deepEqual(await other.session(), { authenticated: false })

  await gateway.signedIn(USERS.member, origins.shop)
  const out = await shop.fetch('/auth/logout?everywhere=true', {
    method: 'POST',
    headers: { 'x-csrf-token': await shop.csrfToken() },
  })
  assert.equal(out.status, 200)
  assert.deepEqual(
    lines('bff_session_ended').map(({ by }) => by),
    [name, name],
  )
  const logout = gateway.logs.find(({ message }) => message === 'session ended by logout')
  assert.equal(logout?.subject, name)
  const created = gateway.logs.filter(({ message }) => message === 'session created')
  assert.ok(created.length > 0 && created.every(({ subject }) => subject === name))
})
