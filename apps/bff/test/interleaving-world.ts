import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { decodePart, startEcho } from '@audience-bridge/testkit/echo.ts'
import { type Gateway, startGateway } from '@audience-bridge/testkit/gateway.ts'
import type { Time } from '@audience-bridge/testkit/time.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { ANALYTICS, CONFIGS, SERVICES, type Service, settingsFor } from './interleaving-configs.ts'

const PATHS: Record<Service, string> = {
  analytics_service: '/api/v1/analytics/x',
  crud_service: '/api/crud/x',
  idp_service: '/api/idp/x',
}

/** Three browsers, two of them of one user: a session is more than its user. */
const BROWSERS = [USERS.member, USERS.member, USERS.admin]

interface Browser {
  visitor: Visitor
  sub: string
  /** Counts the sessions of this browser; what the model thinks of the newest follows. */
  generation: number
  state: 'none' | 'live' | 'ended'
  createdAt: number
  seenAt: number
  /** The IdP has ended its grant. */
  revoked: boolean
}

/** The real system, what it is known to hold, and every breach that a backend saw. */
export interface World {
  browsers: Browser[]
  violations: string[]
  /** Back to the beginning: no session, the first configuration, the IdP there. */
  reset(): Promise<void>
  signIn(browser: number): Promise<void>
  /** A call, and what was wrong with its answer; `loose`: other things happen at the same time. */
  call(browser: number, service: Service, loose: boolean): Promise<void>
  signOut(browser: number): Promise<void>
  revoke(browser: number): Promise<void>
  configure(index: number): void
  restart(): Promise<void>
  idp(state: 'up' | 'down'): Promise<void>
  /** The IdP refuses or grants the audience of analytics. */
  permit(allowed: boolean): Promise<void>
  /** Ends a group of things that happened at once. */
  settle(): void
}

export async function buildWorld(t: TestContext, time: Time): Promise<World> {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: Object.fromEntries(SERVICES.map((name) => [name, `${echo.origin}/${name}`])),
    edits: {
      'BFF/config/settings.yaml': replace('auth:\n', 'auth:\n  eager_services: []\n'),
      'BFF/config/routes.yaml': inOrder(
        replace('services:\n', 'services:\n  idp_service:\n    base_url: http://idp.example\n'),
        (text) =>
          `${text}\n  - id: idp\n    path: /api/idp/*\n    target_service: idp_service\n    auth: session\n`,
      ),
    },
  })
  const shipped = settingsOf(gateway)
  const clients = `    - ${ANALYTICS}\n`
  const { idle_seconds: idle, absolute_seconds: absolute } =
    gateway.config().bridge.settings.session
  const violations: string[] = []
  /** Who asked for what, by correlation id. */
  const asked = new Map<string, { owner: string; sub: string; service: Service }>()
  /** The session that each token was first seen with. */
  const owners = new Map<string, string>()
  /** Configurations that were in force since the last settling. */
  let inForce = [0]
  let current = 0
  let idpUp = true
  let permitted = true
  /** On the monotonic clock: a refusal may be remembered for a second. */
  let refusedUntil = 0
  let calls = 0

  const browsers = BROWSERS.map(
    ({ username }): Browser => ({
      visitor: gateway.visitor(),
      sub: `user-${username}`,
      generation: 0,
      state: 'none',
      createdAt: 0,
      seenAt: 0,
      revoked: false,
    }),
  )
  for (const [i, { visitor }] of browsers.entries()) {
    await visitor.signIn(BROWSERS[i] ?? USERS.member)
  }

  echo.intercept = (req: IncomingMessage, res: ServerResponse) => {
    judgeArrival(req)
    res.end()
    return true
  }

  /** What the whole design promises, as the backend sees it. */
  function judgeArrival({ headers, url = '' }: IncomingMessage): void {
    const id = String(headers['x-correlation-id'])
    const breach = (what: string) => void violations.push(`${what} at ${url} (${id})`)
    const request = asked.get(id)
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
    if (request === undefined) return breach('a request that nobody sent')
    if (token === undefined) return breach('no token')
    if (headers.cookie !== undefined) breach('a cookie')
    const service = SERVICES.find((name) => url.startsWith(`/${name}/`))
    if (service !== request.service) breach(`a call of ${request.service}`)
    const { aud, scope, sub, exp } = decodePart(token, 1)
    const fits = inForce.some((index) => {
      const [audience, scopes] = CONFIGS[index]?.[request.service] ?? []
      return aud === audience && scope === scopes
    })
    if (!fits) breach(`a token for ${JSON.stringify(aud)} with "${scope}"`)
    if (sub !== request.sub) breach(`a token of ${sub} for ${request.sub}`)
    if (Number(exp) <= time.now()) breach(`a token that expired ${time.now() - Number(exp)} s ago`)
    const owner = owners.get(token) ?? request.owner
    owners.set(token, owner)
    if (owner !== request.owner) breach(`a token of session ${owner} for ${request.owner}`)
  }

  const browser = (index: number): Browser => {
    const found = browsers[index]
    if (found === undefined) throw new Error(`no browser ${index}`)
    return found
  }
  const expired = ({ createdAt, seenAt }: Browser) =>
    time.now() >= createdAt + absolute || time.now() >= seenAt + idle
  const forget = ({ visitor }: Browser, name: string) =>
    visitor.jar.store(new URL(gateway.bff), [`${name}=; Path=/; Secure; Max-Age=0`])
  const { sessionName, loggedOutName } = gateway.config().frontends.first.cookies

  /** The codes that an answer may have; 200 stands for itself. */
  function allowedCodes(who: Browser): string[] {
    if (who.state === 'none') return ['SESSION_REQUIRED']
    if (who.state === 'ended' || expired(who)) return ['SESSION_EXPIRED', 'SESSION_REQUIRED']
    const codes = ['200']
    if (who.revoked) codes.push('SESSION_EXPIRED')
    if (!idpUp) codes.push('IDP_UNAVAILABLE')
    if (!permitted || performance.now() < refusedUntil) codes.push('NO_TOKEN_AVAILABLE')
    return codes
  }

  const world: World = {
    browsers,
    violations,
    async reset() {
      await world.idp('up')
      await world.permit(true)
      world.configure(0)
      world.settle()
      refusedUntil = 0
      for (const who of browsers) {
        forget(who, sessionName)
        who.state = 'none'
      }
    },
    async signIn(index) {
      if (!idpUp) return
      const who = browser(index)
      forget(who, loggedOutName)
      const landed = await who.visitor.follow(
        await who.visitor.fetch('/auth/login?return_to=/landed'),
        ({ pathname }) => pathname === '/landed',
      )
      assert.equal(landed.status, 302, `a silent login ended with ${landed.status}`)
      who.generation++
      Object.assign(who, {
        state: 'live',
        createdAt: time.now(),
        seenAt: time.now(),
        revoked: false,
      })
    },
    async call(index, service, loose) {
      const who = browser(index)
      const id = `call-${++calls}-${index}-${who.generation}`
      asked.set(id, { owner: `${index}.${who.generation}`, sub: who.sub, service })
      const before = allowedCodes(who)
      const response = await who.visitor.fetch(PATHS[service], {
        headers: { 'x-correlation-id': id },
      })
      const body = await response.text()
      const code =
        response.status === 200 ? '200' : String((JSON.parse(body) as { code?: string }).code)
      if (code === 'NO_TOKEN_AVAILABLE') refusedUntil = performance.now() + 1100
      const allowed = [...before, ...(loose ? allowedCodes(who) : [])]
      if (!allowed.includes(code)) {
        violations.push(`${code} where ${allowed.join(' or ')} was to come (${id}): ${body}`)
      }
      if (who.state === 'live' && !expired(who) && code === 'SESSION_EXPIRED') who.state = 'ended'
      if (who.state === 'live' && !expired(who)) who.seenAt = time.now()
      else if (who.state === 'live') who.state = 'ended'
    },
    async signOut(index) {
      const who = browser(index)
      if (who.state !== 'live' || expired(who)) return
      const session = await who.visitor.session()
      if (!session.authenticated) return
      // From here on its calls may find no session.
      who.state = 'ended'
      const response = await who.visitor.fetch('/auth/logout', {
        method: 'POST',
        headers: { 'x-csrf-token': session.csrf_token, accept: 'application/json' },
      })
      assert.equal(response.status, 200)
    },
    async revoke(index) {
      const who = browser(index)
      if (!idpUp || who.state !== 'live') return
      const opened = await gateway.openSession(who.visitor)
      if (opened?.grant.refresh_token === undefined) return
      who.revoked = true
      await gateway.revoke(opened.grant.refresh_token)
    },
    configure(index) {
      if (index === current) return
      current = index
      inForce.push(index)
      gateway.reconfigure({ 'BFF/config/settings.yaml': () => settingsFor(shipped, index) })
    },
    restart: () => gateway.restartBff(),
    async idp(state) {
      if (state === 'down' && idpUp) await gateway.stopIdp()
      if (state === 'up' && !idpUp) {
        await gateway.startIdp()
        // Until one probe got through, the BFF holds its calls back.
        await until('the IdP to be noticed', async () => {
          const response = await gateway.visitor().fetch('/health/ready')
          await response.arrayBuffer()
          return response.status === 200
        })
      }
      idpUp = state === 'up'
    },
    async permit(allowed) {
      if (allowed === permitted || !idpUp) return
      if (permitted === false) refusedUntil = performance.now() + 1100
      permitted = allowed
      await gateway.restartIdp({
        'IdP/config/clients.yaml': allowed
          ? replace('allowed_audiences:\n', `allowed_audiences:\n${clients}`)
          : replace(clients, ''),
      })
    },
    settle() {
      inForce = [current]
    },
  }
  return world
}

/** The text of settings.yaml, taken by an edit that is undone at once. */
function settingsOf(gateway: Gateway): string {
  let shipped = ''
  gateway.reconfigure({
    'BFF/config/settings.yaml': (text) => {
      shipped = text
      return `${text}\n`
    },
  })
  return shipped
}
