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
  const fault = (
    code: string,
    path: KeyPath,
    found: string,
    expected: string,
    mend: string,
    edit?: Edit,
  ) =>
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

  const {
    cookie_name: name,
    cookie_domain: domain,
    idle_seconds,
    absolute_seconds,
  } = settings.session
  if (domain !== undefined && /^__host-/i.test(name ?? '')) {
    fault(
      'cookie_prefix',
      ['session', 'cookie_name'],
      `"${name}" with cookie_domain "${domain}"`,
      'no __Host- prefix: browsers refuse it on a cookie with a Domain',
      'delete cookie_name (it becomes bff_session) or delete cookie_domain',
      { op: 'remove', path: ['session', 'cookie_name'] },
    )
  }
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
