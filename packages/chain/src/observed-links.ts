import type { BridgeConfig } from './bridge-config.ts'
import { frontendsOf } from './frontends.ts'
import type { BrokenLink, LinkName, LinkResult } from './link.ts'
import { nearMiss } from './near-miss.ts'
import { nearest } from './nearest.ts'
import type { Observation, UpstreamSeen } from './observation.ts'
import type { Patch } from './patch.ts'

/**
 * One function a link that only a request can show, in the order in which a request meets them.
 * Pure: over the observation and the files alone. `undefined`: the request never came to this link.
 */
type JudgeObserved = (config: BridgeConfig, seen: Observation) => LinkResult | undefined

const holds = (link: LinkName, evidence: string): LinkResult => ({ link, state: 'holds', evidence })

function broken(
  link: LinkName,
  code: string,
  words: { found: string; expected: string; mend: string; at?: BrokenLink['at']; patch?: Patch },
): BrokenLink {
  const { at, ...rest } = words
  return { link, state: 'broken', code, at, ...rest }
}

const judgeEdge: JudgeObserved = (config, { edge }) => {
  if (edge === undefined) return undefined
  if (edge.fault === undefined)
    return holds('edge', 'asked for by a trusted proxy, which carries the request itself')
  return broken('edge', 'edge_untrusted', {
    found: edge.fault,
    expected:
      'a peer of server.trusted_proxies that sends X-Edge-Secret: the secret of edge.secret, the method and the URI',
    at: config.placeOf('settings', ['edge']),
    mend: "correct the proxy's configuration (docs/admin/edge.md); if no proxy of yours sent this, somebody is trying to get tokens",
  })
}

const judgeRoute: JudgeObserved = (config, seen) => {
  if (seen.problem === 'WEBSOCKET_NOT_ALLOWED') return websocketRefused(config, seen)
  if (seen.route !== undefined)
    return holds('route', `${seen.method} ${seen.path} is the route "${seen.route}"`)
  if (seen.problem === 'ROUTE_NOT_FOUND') {
    const paths = config.routes.routes.map((route) => route.path)
    const near = nearest(seen.path, paths)
    return broken('route', 'route_missing', {
      found: `no route for ${seen.path}`,
      expected: near === undefined ? 'a route of routes.yaml' : `a path like ${near}`,
      at: config.placeOf('routes', ['routes']),
      mend: 'correct the path, or add a route (bridge add-service)',
    })
  }
  if (seen.problem === 'METHOD_NOT_ALLOWED') {
    return broken('route', 'method_missing', {
      found: `no ${seen.method} on ${seen.path}`,
      expected: 'a method that the route lists',
      at: config.placeOf('routes', ['routes']),
      mend: `use another method, or add ${seen.method} to the methods of the route`,
    })
  }
  if (seen.problem !== 'PATH_AMBIGUOUS') return undefined
  return broken('route', 'path_ambiguous', {
    found: 'a path that can be read in two ways',
    expected: 'one plain path',
    mend: 'send the path without dot segments, encoded slashes or empty segments',
  })
}

function websocketRefused(config: BridgeConfig, { route, path }: Observation): BrokenLink {
  const index = config.routes.routes.findIndex(({ id }) => id === route)
  if (index === -1) {
    return broken('route', 'websocket_not_served', {
      found: `a WebSocket to ${path}, which is no route`,
      expected: 'a route with websocket: true',
      mend: 'open the WebSocket at the path of a route',
    })
  }
  const key = ['routes', index, 'websocket']
  return broken('route', 'websocket_not_enabled', {
    found: `a WebSocket to the route "${route}", which takes none`,
    expected: 'websocket: true on that route',
    at: config.placeOf('routes', key),
    mend: `set websocket: true on the route "${route}", if its backend speaks WebSocket`,
    patch: { file: config.nameOf('routes'), edits: [{ op: 'set', path: key, value: true }] },
  })
}

const judgeOrigin: JudgeObserved = (config, { origin, frontend: name }) => {
  if (origin === undefined) return undefined
  if (origin.allowed) return holds('origin', `${origin.origin} is allowed`)
  const frontends = frontendsOf(config.settings)
  const frontend = frontends.find((known) => known.name === name) ?? frontends[0]
  if (frontend === undefined) return undefined
  const expected = `${frontend.publicUrl.origin} or one of ${frontend.at.allowOrigins.join('.')}`
  if (origin.origin === undefined) {
    return broken('origin', 'origin_missing', {
      found: 'no Origin header, so that any site may have sent it',
      expected: `an Origin: ${expected}`,
      mend: 'open the WebSocket from a page; another program must send the header, or call an auth: bearer route',
    })
  }
  if (origin.other_site) {
    const path = [...frontend.at.cookies, 'same_site']
    return broken('origin', 'origin_of_other_site', {
      found: `a page of another site, ${origin.origin}, to which browsers give no SameSite=Lax cookie`,
      expected: `${path.join('.')}: none, or pages of the same site as ${frontend.publicUrl.origin}`,
      at: config.placeOf('settings', path),
      mend: 'serve the page from a host of the same site, or set same_site: none (docs/spa.md)',
      patch: { file: config.nameOf('settings'), edits: [{ op: 'set', path, value: 'none' }] },
    })
  }
  const path = frontend.at.allowOrigins
  return broken('origin', 'origin_not_allowed', {
    found: `the origin ${origin.origin}`,
    expected,
    at: config.placeOf('settings', path),
    mend: `add ${origin.origin} to ${path.join('.')}, if its pages may act for our users`,
    patch: {
      file: config.nameOf('settings'),
      edits: [{ op: 'append', path, value: origin.origin }],
    },
  })
}

const judgeStore: JudgeObserved = (config, { store_fault: fault }) => {
  if (fault === undefined) return undefined
  const { path, redis } = config.settings.store
  return broken('store', 'store_unreachable', {
    found: `the session store does not answer: ${fault}`,
    expected: `the store at ${path ?? redis?.url}`,
    at: config.placeOf('settings', ['store', path === undefined ? 'redis' : 'path']),
    mend: 'bring the store back; sessions are kept and nobody needs to sign in again',
  })
}

const judgeSession: JudgeObserved = (config, { session, frontend }) => {
  if (session === undefined) return undefined
  switch (session.state) {
    case 'live': {
      if (session.raised) {
        return broken('session', 'session_older_than_roles', {
          found: 'a user who has been given more roles since this session began',
          expected: 'a session that began under the roles of now',
          mend: 'let the browser visit the login_url once (spa-client does); nobody types a password',
        })
      }
      // Where there is but one of each, their names would tell nothing.
      const several = Object.keys(config.settings.frontends).length > 0
      const at = several && frontend !== undefined ? `, at the frontend ${frontend}` : ''
      const { issuer } = session
      const by = config.idps.length > 0 && issuer !== undefined ? `, signed in at ${issuer}` : ''
      return holds('session', `of ${session.subject}, ${session.age_seconds} s old${at}${by}`)
    }
    case 'none':
      return broken('session', 'session_missing', {
        found: 'no session cookie',
        expected: 'the cookie of a session',
        mend: 'sign in at /auth/login; if that was done, the cookie did not come back: call the host of server.public_url over https or on localhost, with credentials',
      })
    case 'ended':
      return broken('session', session.ended === undefined ? 'session_ended' : 'grant_ended', {
        found:
          session.ended === undefined
            ? 'the cookie of a session that has ended'
            : `a session that ended: ${session.ended}`,
        expected: 'a live session',
        mend: 'sign in once more at /auth/login',
      })
    case 'elsewhere': {
      const key = session.binding_fault ?? 'user_agent'
      const where = key === 'network' ? 'network' : 'browser or system'
      return broken('session', 'session_elsewhere', {
        found: `the cookie of a session that was begun from another ${where}`,
        expected: `the ${where} of its login`,
        at: config.placeOf('settings', ['session', 'binding', key]),
        mend: `sign in once more at /auth/login; where users change their ${where}, loosen session.binding.${key}; if nobody did, the cookie is stolen: end the session (bridge sessions)`,
      })
    }
  }
}

const judgeCsrf: JudgeObserved = (_config, { csrf_fault: fault, session }) => {
  if (session?.state !== 'live') return undefined
  if (fault === undefined)
    return holds('csrf', 'the request is safe, or proves that our page sent it')
  return broken('csrf', 'csrf_token_missing', {
    found: fault,
    expected: 'the csrf_token of GET /api/auth/session in X-CSRF-Token, from an allowed origin',
    mend: 'let the page send the header; spa-client does',
  })
}

const judgeRate: JudgeObserved = (config, { rate, service }) => {
  if (rate === undefined) return undefined
  if (!rate.refused) return holds('rate', `within the limit ${rate.policy}`)
  const signIn = rate.per === 'sign_in'
  const path = signIn
    ? ['auth', 'sign_in_rate_limit']
    : ['services', service ?? '', 'rate_limit', `per_${rate.per}`]
  const key = path.join('.')
  return broken('rate', 'rate_exceeded', {
    found: `more requests of this ${rate.per === 'session' ? 'session' : 'address'} than ${rate.policy} lets through`,
    expected: `no more than ${key}`,
    at: config.placeOf(signIn ? 'settings' : 'routes', path),
    mend: `call less often, after Retry-After; if honest callers meet the limit, raise ${key}`,
  })
}

const judgeIdp: JudgeObserved = (config, { token }) => {
  if (token?.idp_away === undefined) return undefined
  return broken('idp', 'idp_unreachable', {
    found: `the IdP does not answer: ${token.idp_away}`,
    expected: `the IdP at ${config.settings.auth.issuer}`,
    at: config.placeOf('settings', ['auth', 'issuer']),
    mend: 'bring the IdP back, or correct auth.issuer; tokens that are out go on being used',
  })
}

const judgeClientAuthentication: JudgeObserved = (config, { token }) => {
  if (token?.idp_error === undefined) return undefined
  if (token.idp_error !== 'invalid_client') {
    return holds('client_authentication', 'the IdP knows the client and took its proof')
  }
  const { client_id: id, token_endpoint_auth_method: method } = config.settings.auth
  const found = `the IdP refuses the client ${id}: ${token.idp_description ?? token.idp_error}`
  if (method.startsWith('client_secret_')) {
    return broken('client_authentication', 'client_secret_wrong', {
      found,
      expected: "the client's id and secret as the IdP's clients.yaml has them",
      at: config.placeOf('settings', ['auth', 'client_secret']),
      mend: 'put the same secret in both files that auth.client_secret and the IdP name',
    })
  }
  const keys = new URL('/.well-known/jwks.json', config.settings.server.public_url).href
  return broken('client_authentication', 'client_proof_refused', {
    found,
    expected: `the client at the IdP with token_endpoint_auth_method: ${method}`,
    at: config.placeOf('settings', ['auth', 'token_endpoint_auth_method']),
    mend:
      method === 'private_key_jwt'
        ? `let the IdP read our keys: its jwks_uri of ${id} must lead to ${keys}`
        : `register the certificate of auth.mtls for ${id} at the IdP`,
  })
}

const judgeGrant: JudgeObserved = (config, { token, session, service }) => {
  if (token === undefined || session?.granted_scopes === undefined) return undefined
  if (!token.reauthorize)
    return holds('grant', `covers ${session.granted_scopes.join(' ') || 'nothing'}`)
  return broken('grant', 'grant_too_old', {
    found: `a login that asked for "${session.requested_scopes?.join(' ') ?? ''}"`,
    expected: `a login that asks for "${config.settings.auth.oauth_scopes}", which ${service} needs`,
    mend: 'let the browser visit the login_url once (spa-client does); nobody types a password',
  })
}

const judgeToken: JudgeObserved = (_config, { token, service }) => {
  if (token === undefined) return undefined
  if (token.idp_away !== undefined || token.idp_error === 'invalid_client' || token.reauthorize)
    return undefined
  if (token.clock_ahead_seconds !== undefined) {
    return broken('token', 'clocks_differ', {
      found: `the IdP's clock is ${Math.abs(token.clock_ahead_seconds)} s ${token.clock_ahead_seconds > 0 ? 'ahead of' : 'behind'} the BFF's`,
      expected: 'clocks that differ by less than auth.clock_tolerance_seconds',
      mend: 'set both clocks by NTP',
    })
  }
  if (token.idp_error !== undefined) {
    return broken('token', `idp_${token.idp_error}`, {
      found: `the IdP's refusal ${token.idp_error}${token.idp_description === undefined ? '' : `: ${token.idp_description}`}`,
      expected: `a token for "${token.requested_audience}" with "${token.requested_scopes?.join(' ') ?? ''}"`,
      mend: "change what the IdP's words name; the links above say where",
    })
  }
  if (token.unfit !== undefined) {
    return broken('token', token.unfit.code, {
      found: token.unfit.found,
      expected: token.unfit.expected,
      mend: 'the IdP issued another token than it was asked for: correct its mapping of audience and scopes',
    })
  }
  if (token.source === 'none') {
    return broken('token', 'token_missing', {
      found: `no token for ${service}`,
      expected: 'a token for the audience of the service',
      mend: 'mend the broken link above',
    })
  }
  const age = token.source === 'kept' ? `, minted ${token.age_seconds} s ago` : ''
  return holds(
    'token',
    `${token.source}, aud ${token.issued_audiences?.join(' ') ?? token.requested_audience}, scope ${token.issued_scopes?.join(' ') ?? token.requested_scopes?.join(' ')}${age}`,
  )
}

const judgeUpstream: JudgeObserved = (config, { upstream, service }) => {
  if (upstream === undefined) return undefined
  const placeOf = (key: string) =>
    service === undefined ? undefined : config.placeOf('routes', ['services', service, key])
  const at = placeOf('base_url')
  const expected = `an answer from ${upstream.base_url}`
  switch (upstream.failure) {
    case undefined:
      return holds('upstream', `${upstream.base_url} answered ${upstream.status}`)
    case 'timeout':
      return broken('upstream', 'upstream_timeout', {
        found: `no answer in time: ${upstream.reason}`,
        expected: `${expected} within services.${service}.timeout`,
        at: placeOf('timeout'),
        mend: `make the service faster, or raise services.${service}.timeout`,
      })
    case 'tls':
      return broken('upstream', 'upstream_tls', {
        found: `the TLS handshake failed: ${upstream.reason}`,
        expected: 'a certificate for that host from an authority that this machine trusts',
        at,
        mend: `correct the host in services.${service}.base_url, or the certificate; NODE_EXTRA_CA_CERTS names further authorities`,
      })
    case 'invalid':
      return broken('upstream', 'upstream_invalid', {
        found: `no valid HTTP response: ${upstream.reason}`,
        expected,
        at,
        mend: `check what listens at services.${service}.base_url`,
      })
    case 'suspended':
      return broken('upstream', 'upstream_suspended', {
        found: `not asked, after too many failures in a row: ${upstream.reason}`,
        expected,
        at: placeOf('circuit_breaker') ?? at,
        mend: `mend what failed; services.${service}.circuit_breaker says after how many failures, and for how long`,
      })
    case 'full':
      return broken('upstream', 'upstream_full', {
        found: `not asked: ${upstream.reason}`,
        expected: `a free slot of services.${service}.concurrency`,
        at: placeOf('concurrency'),
        mend: `make the service faster, or raise services.${service}.concurrency if it can do more at once`,
      })
    case 'refused':
      return broken('upstream', 'upstream_refused', {
        found: `cannot be reached: ${upstream.reason}`,
        expected,
        at,
        mend: `start the service, or correct services.${service}.base_url`,
      })
  }
}

const judgeBackend: JudgeObserved = (config, { upstream, token, service }) => {
  if (upstream?.status === undefined) return undefined
  const audience = token?.requested_audience ?? ''
  if (upstream.status === 401) return rejected(config, upstream, audience, service ?? '')
  if (upstream.status === 403 && upstream.challenge_error === 'insufficient_scope') {
    return scopeMissing(
      config,
      upstream.challenge_scope ?? '',
      token?.requested_scopes ?? [],
      service ?? '',
    )
  }
  return holds('backend', 'the service took what it was sent')
}

/** Why a backend answered 401 to our token, by what it says of itself. */
function rejected(
  config: BridgeConfig,
  upstream: NonNullable<Observation['upstream']>,
  audience: string,
  service: string,
): LinkResult {
  const challenge = upstream.challenge ?? 'no WWW-Authenticate'
  const metadata = judgeMetadata(config, service, audience, upstream)
  if (metadata?.state === 'broken') return metadata
  const skew = upstream.clock_ahead_seconds ?? 0
  if (Math.abs(skew) > config.settings.auth.clock_tolerance_seconds) {
    return broken('backend', 'clocks_differ', {
      found: `the backend's clock is ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} the BFF's`,
      expected: 'clocks that differ by less than auth.clock_tolerance_seconds',
      mend: 'set both clocks by NTP',
    })
  }
  if (upstream.challenge_reason === 'key_unknown' || upstream.challenge_reason === 'signature') {
    return broken('backend', 'backend_keys_stale', {
      found: `a backend that does not know the key of the token: ${challenge}`,
      expected: "the IdP's current keys",
      mend: "let the backend read the IdP's jwks_uri again; it must do so whenever it meets an unknown kid",
    })
  }
  return broken('backend', 'backend_rejects_token', {
    found: `a backend that rejects the token: ${challenge}`,
    expected: `a backend that takes a token for "${audience}"`,
    mend: 'read its words; they are not about audience, issuer, clock or keys as far as it tells',
  })
}

/**
 * What a backend says of itself (RFC 9728) against the map.
 *
 * @returns undefined when it says nothing.
 */
export function judgeMetadata(
  config: BridgeConfig,
  service: string,
  audience: string,
  {
    resource,
    authorization_servers: servers,
  }: Pick<UpstreamSeen, 'resource' | 'authorization_servers'>,
): LinkResult | undefined {
  if (resource === undefined) return undefined
  if (resource !== audience) {
    const near = nearMiss(resource, audience)
    return broken('backend', 'backend_audience_differs', {
      found: `a backend that expects "${resource}"${near === undefined ? '' : `; ${near}`}`,
      expected: `"${audience}", as service_audiences.${service} says`,
      at: config.placeOf('settings', ['service_audiences', service]),
      mend: `write one audience in service_audiences.${service} and in the backend's settings (auth.audience)`,
    })
  }
  if (servers !== undefined && !servers.includes(config.settings.auth.issuer)) {
    return broken('backend', 'backend_issuer_differs', {
      found: `a backend that trusts ${servers.join(', ') || 'no issuer'}`,
      expected: `the issuer ${config.settings.auth.issuer}`,
      mend: "set auth.issuer in the backend's settings to the issuer of auth.issuer here",
    })
  }
  return holds('backend', `expects "${resource}"`)
}

function scopeMissing(
  config: BridgeConfig,
  scope: string,
  asked: readonly string[],
  service: string,
): LinkResult {
  const wanted = scope.split(' ')[0] ?? ''
  const value = [...asked.filter((one) => one !== wanted), wanted].join(' ')
  return broken('backend', 'backend_scope_missing', {
    found: `a backend that requires "${scope}"; the token carried "${asked.join(' ')}"`,
    expected: `service_scopes.${service} with "${wanted}"`,
    at: config.placeOf('settings', ['service_scopes', service]),
    mend: `set service_scopes.${service} to "${value}"`,
    patch: {
      file: config.nameOf('settings'),
      edits: [{ op: 'set', path: ['service_scopes', service], value }],
    },
  })
}

export const OBSERVED_LINKS: readonly JudgeObserved[] = [
  judgeEdge,
  judgeRoute,
  judgeOrigin,
  judgeStore,
  judgeSession,
  judgeCsrf,
  judgeRate,
  judgeIdp,
  judgeClientAuthentication,
  judgeGrant,
  judgeToken,
  judgeUpstream,
  judgeBackend,
]
