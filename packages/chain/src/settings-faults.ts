import type { BffSettings } from './bff-settings.ts'
import type { ConfigDocument, KeyPath } from './document.ts'
import type { Fault } from './fault.ts'
import { LOCAL_HOSTS } from './local-hosts.ts'
import type { Edit } from './patch.ts'

/** Faults of settings.yaml that lie between its keys. */
export function settingsFaults(
  settings: BffSettings,
  document: ConfigDocument<BffSettings>,
): Fault[] {
  const faults: Fault[] = []
  const { file } = document
  const fault: AddFault = (code, path, found, expected, mend, edit) =>
    faults.push({
      kind: 'malformed',
      code,
      at: document.placeOf(path),
      key: path.join('.'),
      found,
      expected,
      mend,
      ...(edit === undefined ? {} : { patch: { file, edits: [edit] } }),
    })

  const { idle_seconds, absolute_seconds } = settings.session
  if (idle_seconds > absolute_seconds) {
    fault(
      'invalid_value',
      ['session', 'idle_seconds'],
      `${idle_seconds}`,
      `at most absolute_seconds (${absolute_seconds})`,
      'lower idle_seconds or raise absolute_seconds',
      { op: 'set', path: ['session', 'idle_seconds'], value: absolute_seconds },
    )
  }
  clientAuthFaults(settings, fault)
  const issuer = new URL(settings.auth.issuer)
  if (issuer.protocol === 'http:' && !LOCAL_HOSTS.has(issuer.hostname)) {
    fault(
      'insecure_issuer',
      ['auth', 'issuer'],
      `"${settings.auth.issuer}", plain http on another host`,
      'https: tokens and the client secret would travel in the clear',
      'serve the IdP over https',
    )
  }
  const { edge } = settings
  if (edge?.tokens && edge.secret === undefined) {
    fault(
      'missing_key',
      ['edge', 'secret'],
      'edge.tokens without a secret',
      'a secret that only the proxy knows: whoever asks would be handed tokens',
      'add "secret: file:PATH" below edge, or set edge.tokens to false',
      { op: 'set', path: ['edge', 'tokens'], value: false },
    )
  }
  if (edge?.tokens && settings.server.trusted_proxies.length === 0) {
    fault(
      'missing_key',
      ['server', 'trusted_proxies'],
      'edge.tokens without a trusted proxy',
      "the proxy's address: nobody else is handed tokens",
      'add the address to server.trusted_proxies, or set edge.tokens to false',
      { op: 'set', path: ['edge', 'tokens'], value: false },
    )
  }
  for (const [service, v1] of Object.entries(settings.service_tokens ?? {})) {
    const audience = settings.service_audiences[service]
    if (audience !== undefined && audience !== v1.audience) {
      fault(
        'conflicting_audience',
        ['service_tokens', service, 'audience'],
        `"${v1.audience}" (V1) and "${audience}" in service_audiences (V2)`,
        'one audience for a service',
        `delete service_tokens.${service}`,
        { op: 'remove', path: ['service_tokens', service] },
      )
    }
    const scopes = settings.service_scopes[service]
    if (
      scopes !== undefined &&
      [...scopes.scopes].sort().join(' ') !== [...v1.scopes].sort().join(' ')
    ) {
      fault(
        'conflicting_scopes',
        ['service_tokens', service, 'scopes'],
        `"${v1.scopes.join(' ')}" (V1) and "${scopes.scopes.join(' ')}" in service_scopes (V2)`,
        'one set of scopes for a service',
        `delete service_tokens.${service}`,
        { op: 'remove', path: ['service_tokens', service] },
      )
    }
  }
  return faults
}

type AddFault = (
  code: string,
  path: KeyPath,
  found: string,
  expected: string,
  mend: string,
  edit?: Edit,
) => void

/** What a way to prove oneself, or to bind a token, lacks. */
function clientAuthFaults({ auth, service_dpop, service_mint }: BffSettings, fault: AddFault) {
  const { token_endpoint_auth_method: method, mtls, keys } = auth
  const at = ['auth', 'token_endpoint_auth_method']
  if (method.startsWith('client_secret_') && auth.client_secret === undefined) {
    fault(
      'incomplete_client_auth',
      at,
      `${method} without auth.client_secret`,
      'the secret that is presented',
      'add "client_secret: file:PATH", or set token_endpoint_auth_method: private_key_jwt',
    )
  }
  if (method.includes('tls_client_auth') && mtls === undefined) {
    fault(
      'incomplete_client_auth',
      at,
      `${method} without auth.mtls`,
      'the certificate that is shown',
      'add "mtls: {cert_file, key_file}"',
    )
  }
  if (mtls !== undefined && auth.issuer.startsWith('http:')) {
    fault(
      'incomplete_client_auth',
      ['auth', 'mtls'],
      `a certificate for "${auth.issuer}", where it is never shown`,
      'an https issuer',
      'serve the IdP over https, or delete auth.mtls',
      { op: 'remove', path: ['auth', 'mtls'] },
    )
  }
  if (keys.retire_after_days <= keys.rotate_after_days) {
    fault(
      'invalid_value',
      ['auth', 'keys', 'retire_after_days'],
      `${keys.retire_after_days}`,
      `more than rotate_after_days (${keys.rotate_after_days}): two keys overlap`,
      'raise retire_after_days or lower rotate_after_days',
      {
        op: 'set',
        path: ['auth', 'keys', 'retire_after_days'],
        value: 2 * keys.rotate_after_days,
      },
    )
  }
  for (const [service, mint] of Object.entries(service_mint)) {
    const bound = service_dpop[service] ?? false
    if (mint !== 'login_token' || bound === auth.dpop) continue
    fault(
      'dpop_differs',
      ['service_mint', service],
      `login_token with auth.dpop: ${auth.dpop} and service_dpop.${service}: ${bound}`,
      "the same of both: this service is given the login's own token",
      `set service_dpop.${service}: ${auth.dpop}`,
      { op: 'set', path: ['service_dpop', service], value: auth.dpop },
    )
  }
}
