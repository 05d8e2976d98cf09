import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Edits, editConfig, replace } from '@audience-bridge/testkit/config-copy.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import {
  ask,
  ECHO_AUDIENCE,
  explainedCode,
  type FaultWorld,
  keepCookie,
  type Seen,
} from './fault-world.ts'

/* Every fault that an administrator meets: how it comes about, its names, and its mend. */

export interface FaultCase {
  name: string
  /** What `explain` and `verify` name; undefined: the files are refused, and no request fails. */
  code: string
  /** What `check` names; undefined: the files do not show it. */
  offline?: string
  breaks: Edits | ((world: FaultWorld) => void | Promise<void>)
  /** `mend`: by `bridge mend CODE --write`; otherwise as an administrator would do it. */
  heals: 'mend' | Edits | ((world: FaultWorld) => void | Promise<void>)
  /** How it was healed, in words, where that is no edit of the files. */
  remedy?: string
  /** The request that fails; default: GET /api/echo/ok. */
  request?: (world: FaultWorld) => Promise<Seen>
  /** The files are malformed: what was in force goes on. */
  refused?: boolean
  /** Not a fault of a route that `verify` walks. */
  notWalked?: boolean
}

const settings = (from: string, to: string): Edits => ({
  'BFF/config/settings.yaml': replace(from, to),
})
const routes = (from: string, to: string): Edits => ({
  'BFF/config/routes.yaml': replace(from, to),
})
const idp = (from: string, to: string): Edits => ({ 'IdP/config/settings.yaml': replace(from, to) })
const clients = (from: string, to: string): Edits => ({
  'IdP/config/clients.yaml': replace(from, to),
})

/** How the shipped client proves itself, and a secret in its place. */
const BY_KEY = 'token_endpoint_auth_method: private_key_jwt'
const SECRET_OF = (name: string) => `file:\${BRIDGE_DATA:-.data}/secrets/${name}.secret`

/** A backend that answers 401 with a challenge, and says of itself what `metadata` says. */
function rejecting(
  metadata: Record<string, unknown>,
  more: { challenge?: string; date?: string } = {},
): (world: FaultWorld) => void {
  return ({ echo }) => {
    echo.respond = (arrival, res) => {
      if (arrival.url === '/.well-known/oauth-protected-resource') {
        res.setHeader('content-type', 'application/json')
        res.end(JSON.stringify(metadata))
        return
      }
      if (more.date !== undefined) res.setHeader('date', more.date)
      res.statusCode = 401
      res.setHeader('www-authenticate', more.challenge ?? 'Bearer error="invalid_token"')
      res.end()
    }
  }
}

const listening = ({ echo }: FaultWorld) => {
  echo.respond = undefined
}

/** The metadata of a backend that agrees with the map. */
const agreeing = (world: FaultWorld) => ({
  resource: ECHO_AUDIENCE,
  authorization_servers: [`${world.system.idp}/api/oidc`],
})

/** Makes the kept token another one than is asked for, so that the next call must mint. */
const needNewToken = replace('echo_service: echo.read', 'echo_service: echo.read echo.write')
const haveOldToken = replace('echo_service: echo.read echo.write', 'echo_service: echo.read')

const PUBLIC_URL = 'public_url: ${BFF_PUBLIC_URL:-http://localhost:${BFF_PORT:-8080}}'

export const FAULTS: FaultCase[] = [
  {
    name: 'no route',
    code: 'route_missing',
    breaks: routes('path: /api/echo/*', 'path: /api/eco/*'),
    heals: routes('path: /api/eco/*', 'path: /api/echo/*'),
    notWalked: true,
  },
  {
    name: 'route shadowed',
    code: 'route_shadowed',
    offline: 'route_shadowed',
    refused: true,
    breaks: routes(
      '  - id: api-crud\n',
      '  - id: api-again\n    path: /api/echo/*\n    target_service: echo_service\n    auth: session\n\n  - id: api-crud\n',
    ),
    heals: routes(
      '  - id: api-again\n    path: /api/echo/*\n    target_service: echo_service\n    auth: session\n\n',
      '',
    ),
  },
  {
    name: 'target_service unknown',
    code: 'target_service_unknown',
    offline: 'target_service_unknown',
    breaks: routes('target_service: echo_service', 'target_service: echo_servce'),
    heals: 'mend',
  },
  {
    name: 'service missing from service_audiences',
    code: 'service_audience_missing',
    offline: 'service_audience_missing',
    breaks: settings(`  echo_service: ${ECHO_AUDIENCE}\n`, ''),
    heals: settings(
      'service_audiences:\n',
      `service_audiences:\n  echo_service: ${ECHO_AUDIENCE}\n`,
    ),
  },
  {
    name: 'audience with a trailing slash',
    code: 'audience_differs',
    offline: 'audience_differs',
    breaks: settings(`echo_service: ${ECHO_AUDIENCE}`, `echo_service: ${ECHO_AUDIENCE}/`),
    heals: 'mend',
  },
  {
    name: 'audience of another case',
    code: 'audience_differs',
    offline: 'audience_differs',
    breaks: settings(`echo_service: ${ECHO_AUDIENCE}`, 'echo_service: https://Echo.example'),
    heals: 'mend',
  },
  {
    name: 'audience in no IdP scope mapping',
    code: 'audience_unmapped',
    offline: 'audience_unmapped',
    breaks: {
      'BFF/config/settings.yaml': replace(
        `echo_service: ${ECHO_AUDIENCE}`,
        'echo_service: https://new.example',
      ),
      'IdP/config/clients.yaml': replace(`    - ${ECHO_AUDIENCE}\n`, '    - https://new.example\n'),
    },
    heals: {
      'BFF/config/settings.yaml': replace(
        'echo_service: https://new.example',
        `echo_service: ${ECHO_AUDIENCE}`,
      ),
      'IdP/config/clients.yaml': replace('    - https://new.example\n', `    - ${ECHO_AUDIENCE}\n`),
    },
  },
  {
    name: 'mapped only under a scope that the login does not request',
    code: 'login_scope_missing',
    offline: 'login_scope_missing',
    breaks: {
      ...idp('implies: [echo.read, echo.write, ', 'implies: ['),
      // The kept token goes on being used; this one must be minted.
      'BFF/config/settings.yaml': needNewToken,
    },
    heals: idp('implies: [', 'implies: [echo.read, echo.write, '),
  },
  {
    name: "scope missing from the client's scopes",
    code: 'client_scope_missing',
    offline: 'client_scope_missing',
    breaks: clients(', admin.api, application.all]', ', admin.api]'),
    heals: 'mend',
    // Tokens of old sessions go on being minted: it is the next login that fails.
    request: failedLogin,
    notWalked: true,
  },
  {
    name: 'audience missing from allowed_audiences',
    code: 'audience_not_allowed',
    offline: 'audience_not_allowed',
    breaks: {
      ...clients(`    - ${ECHO_AUDIENCE}\n`, ''),
      'BFF/config/settings.yaml': replace('echo_service: echo.read', 'echo_service: echo.write'),
    },
    heals: 'mend',
  },
  {
    name: 'service_scopes asks for a scope that does not lead to that audience',
    code: 'service_scope_astray',
    offline: 'service_scope_astray',
    breaks: settings('echo_service: echo.read', 'echo_service: crud.read'),
    heals: 'mend',
  },
  {
    name: 'backend expects another audience',
    remedy: 'writing the same audience in the backend’s settings',
    code: 'backend_audience_differs',
    breaks: (world) => rejecting({ ...agreeing(world), resource: `${ECHO_AUDIENCE}/` })(world),
    heals: listening,
  },
  {
    name: 'backend requires a scope that is not asked for',
    code: 'backend_scope_missing',
    breaks: ({ echo }) => {
      echo.respond = (arrival, res) => {
        const scopes = String(arrival.claims?.scope).split(' ')
        if (scopes.includes('echo.write')) {
          res.end('{}')
          return
        }
        res.statusCode = 403
        res.setHeader('www-authenticate', 'Bearer error="insufficient_scope", scope="echo.write"')
        res.end()
      }
    },
    // The explanation's own patch: ask for that scope too.
    heals: settings('echo_service: echo.read', 'echo_service: echo.read echo.write'),
  },
  {
    name: 'backend trusts another issuer',
    remedy: 'writing the IdP’s issuer in the backend’s settings',
    code: 'backend_issuer_differs',
    breaks: rejecting({
      resource: ECHO_AUDIENCE,
      authorization_servers: ['https://old-idp.example'],
    }),
    heals: listening,
  },
  {
    name: "backend's keys are stale after rotation",
    remedy: 'letting the backend read the keys again',
    code: 'backend_keys_stale',
    breaks: (world) =>
      rejecting(agreeing(world), {
        challenge: 'Bearer error="invalid_token", reason="key_unknown"',
      })(world),
    heals: listening,
  },
  {
    name: 'clocks differ by more than the tolerance',
    remedy: 'a right clock',
    code: 'clocks_differ',
    breaks: (world) =>
      rejecting(agreeing(world), { date: new Date(Date.now() - 600_000).toUTCString() })(world),
    heals: listening,
  },
  {
    name: 'client secret wrong',
    code: 'client_secret_wrong',
    breaks: (world) => {
      writeFileSync(
        join(world.system.data, 'secrets/wrong.secret'),
        'not-the-secret-of-the-client\n',
      )
      editConfig(world.system.config, {
        'BFF/config/settings.yaml': (text) =>
          needNewToken(text).replace(BY_KEY, `client_secret: ${SECRET_OF('wrong')}`),
        'IdP/config/clients.yaml': (text) =>
          text
            .replace(BY_KEY, `client_secret: ${SECRET_OF('crud-service')}`)
            .replace(/ {2}# Where the IdP reaches the BFF.*\n {2}jwks_uri: .*\n/, ''),
      })
    },
    heals: {
      'BFF/config/settings.yaml': (text) =>
        haveOldToken(text).replace('secrets/wrong.secret', 'secrets/crud-service.secret'),
    },
  },
  {
    name: 'redirect URI not registered',
    code: 'redirect_uri_missing',
    offline: 'redirect_uri_missing',
    breaks: clients('/auth/callback', '/auth/call-back'),
    heals: 'mend',
    request: failedLogin,
    notWalked: true,
  },
  {
    name: "session's grant older than the scope it needs",
    remedy: 'visiting `login_url` once; nobody types a password',
    code: 'grant_too_old',
    breaks: {
      'BFF/config/settings.yaml': (text) =>
        replace(
          'echo_service: echo.read',
          'echo_service: echo.special',
        )(
          replace(
            'application.all offline_access"',
            'application.all echo.special offline_access"',
          )(text),
        ),
      'IdP/config/settings.yaml': replace(
        '      - scope: echo.read\n',
        `      - scope: echo.special\n        audiences: [${ECHO_AUDIENCE}]\n      - scope: echo.read\n`,
      ),
      'IdP/config/clients.yaml': replace('scopes: [openid,', 'scopes: [openid, echo.special,'),
    },
    // The mend: one top-level navigation to login_url; nobody types a password.
    heals: async (world) => {
      const id = `fault-${randomUUID()}`
      const refused = await world.visitor.fetch('/api/echo/ok', {
        headers: { 'x-correlation-id': id },
      })
      const problem = (await refused.json()) as { code: string; login_url: string }
      assert.equal(problem.code, 'REAUTHORIZATION_REQUIRED')
      await world.visitor.follow(
        await world.visitor.fetch(problem.login_url),
        ({ pathname }) => pathname === '/',
      )
      keepCookie(world)
    },
  },
  {
    name: 'IdP unreachable',
    remedy: 'bringing the IdP back',
    code: 'idp_unreachable',
    breaks: (world) => {
      process.kill(world.system.pids.idp, 'SIGSTOP')
      editConfig(world.system.config, { 'BFF/config/settings.yaml': needNewToken })
    },
    heals: (world) => {
      process.kill(world.system.pids.idp, 'SIGCONT')
      editConfig(world.system.config, { 'BFF/config/settings.yaml': haveOldToken })
    },
  },
  {
    name: 'session store unreachable',
    remedy: 'bringing the store back',
    code: 'store_unreachable',
    breaks: (world) => {
      storeLock = new DatabaseSync(join(world.system.data, 'bff/sessions.sqlite'))
      storeLock.exec('BEGIN IMMEDIATE')
    },
    heals: () => {
      storeLock?.exec('ROLLBACK')
      storeLock?.close()
    },
    request: failedLogin,
    notWalked: true,
  },
  {
    name: 'upstream refused',
    code: 'upstream_refused',
    breaks: routes('${ECHO_URL}', 'http://127.0.0.1:9'),
    heals: routes('http://127.0.0.1:9', '${ECHO_URL}'),
  },
  {
    name: 'upstream timed out',
    remedy: 'a backend that answers in time',
    code: 'upstream_timeout',
    breaks: ({ echo }) => {
      echo.respond = () => {}
    },
    heals: listening,
  },
  {
    name: 'upstream TLS failed',
    code: 'upstream_tls',
    breaks: async (world) => {
      tlsServer.listen(0, '127.0.0.1')
      await new Promise((resolve) => tlsServer.once('listening', resolve))
      const { port } = tlsServer.address() as AddressInfo
      editConfig(world.system.config, routes('${ECHO_URL}', `https://127.0.0.1:${port}`))
    },
    heals: (world) => {
      const { port } = tlsServer.address() as AddressInfo
      tlsServer.close()
      editConfig(world.system.config, routes(`https://127.0.0.1:${port}`, '${ECHO_URL}'))
    },
  },
  {
    name: 'cookie cannot come back',
    code: 'cookie_insecure',
    offline: 'cookie_insecure',
    breaks: settings(PUBLIC_URL, 'public_url: http://bff.example'),
    heals: settings('public_url: http://bff.example', PUBLIC_URL),
    request: failedLogin,
    notWalked: true,
  },
  {
    name: 'origin not allowed',
    remedy: 'adding the origin to `cors.allow_origins`',
    code: 'origin_not_allowed',
    breaks: () => {},
    heals: settings('session:\n', 'cors:\n  allow_origins: [https://app.example]\n\nsession:\n'),
    request: async (world) => {
      const id = `fault-${randomUUID()}`
      const preflight = await fetch(`${world.system.bff}/api/echo/ok`, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://app.example',
          'access-control-request-method': 'POST',
          'x-correlation-id': id,
        },
      })
      const status = preflight.status === 204 ? 200 : preflight.status
      return { status, code: await explainedCode(world, id), id }
    },
    notWalked: true,
  },
  {
    name: 'CSRF token missing',
    remedy: 'sending the session’s `csrf_token` as `X-CSRF-Token`',
    code: 'csrf_token_missing',
    breaks: () => {},
    heals: async (world) => {
      csrfToken = await world.visitor.csrfToken()
    },
    request: (world) =>
      ask(world, '/api/echo/ok', {
        method: 'POST',
        headers: csrfToken === undefined ? {} : { 'x-csrf-token': csrfToken },
      }),
    notWalked: true,
  },
  {
    name: 'template variable without a source',
    code: 'variable_missing',
    offline: 'variable_missing',
    refused: true,
    breaks: routes('timeout: 1\n', 'timeout: ${ECHO_TIMEOUT}\n'),
    heals: routes('timeout: ${ECHO_TIMEOUT}\n', 'timeout: 1\n'),
  },
  {
    name: 'duplicate id',
    code: 'duplicate_id',
    offline: 'duplicate_id',
    refused: true,
    breaks: routes('- id: api-crud', '- id: api-analytics'),
    heals: routes(
      '  - id: api-analytics\n    description: The demo',
      '  - id: api-crud\n    description: The demo',
    ),
  },
  {
    name: 'unknown key',
    code: 'unknown_key',
    offline: 'unknown_key',
    refused: true,
    breaks: settings('service_scopes:', 'service_scope:'),
    heals: 'mend',
  },
  {
    name: 'refresh token revoked or expired',
    remedy: 'one sign-in',
    code: 'grant_ended',
    breaks: (world) => {
      // What the IdP has ended without telling: a sign-out there would be told, and end the session.
      const idp = new DatabaseSync(join(world.system.data, 'idp/idp.sqlite'))
      idp.exec("DELETE FROM models WHERE model IN ('Grant', 'RefreshToken')")
      idp.close()
      editConfig(world.system.config, { 'BFF/config/settings.yaml': needNewToken })
    },
    // No patch and no command can exist: one sign-in.
    heals: async (world) => {
      editConfig(world.system.config, { 'BFF/config/settings.yaml': haveOldToken })
      world.visitor = await until('the sign-in', () =>
        world.system.signedIn('member').catch(() => false),
      )
      keepCookie(world)
    },
    notWalked: true,
  },
]

let storeLock: DatabaseSync | undefined
let csrfToken: string | undefined

/** TLS without a certificate that anybody trusts: without any, the handshake fails. */
const tlsServer = createServer({}, () => {})

/** A sign-in of a fresh browser, which fails. */
async function failedLogin(world: FaultWorld): Promise<Seen> {
  const { Visitor } = await import('@audience-bridge/testkit/visitor.ts')
  const user = world.system.users.find(({ roles }) => roles.includes('member'))
  assert.ok(user)
  const visitor = new Visitor(world.system.bff)
  const begun = await visitor.fetch('/auth/login', { headers: { accept: 'application/json' } })
  const landed =
    begun.status === 302 ? await visitor.submitLogin(await visitor.follow(begun), user) : begun
  const id = landed.headers.get('x-correlation-id') ?? ''
  if (landed.status === 302) return { status: 200, code: undefined, id }
  return { status: landed.status, code: await explainedCode(world, id), id }
}
