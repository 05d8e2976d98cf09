import type { BffIdps, IdpEntry } from './bff-idps.ts'
import type { BffSettings } from './bff-settings.ts'
import type { ConfigDocument, KeyPath } from './document.ts'
import type { Fault } from './fault.ts'
import { LOCAL_HOSTS } from './local-hosts.ts'

/** Faults of idps.yaml that lie between its keys, and between it and settings.yaml. */
export function idpFaults(
  { idps }: BffIdps,
  document: Pick<ConfigDocument<BffIdps>, 'placeOf'>,
  settings: BffSettings | undefined,
): Fault[] {
  const faults: Fault[] = []
  const tell = (
    code: string,
    path: KeyPath,
    told: { found: string; expected: string; mend: string },
  ) =>
    faults.push({
      kind: 'malformed',
      code,
      at: document.placeOf(path),
      key: path.join('.'),
      ...told,
    })
  idps.forEach((entry, i) => {
    const earlier = idps.slice(0, i)
    const at = (key: keyof IdpEntry): KeyPath => ['idps', i, key]
    if (earlier.some(({ name }) => name === entry.name)) {
      tell('duplicate_idp', at('name'), {
        found: `"${entry.name}", which an earlier entry is called, too`,
        expected: 'a name of its own for each entry',
        mend: 'rename one of the two',
      })
    }
    const same = earlier.filter(({ issuer }) => issuer === entry.issuer)
    if (same.some(({ audience }) => audience === entry.audience)) {
      tell('duplicate_idp', at('issuer'), {
        found: `"${entry.issuer}" for ${entry.audience ?? 'no audience'}, which an earlier entry has, too`,
        expected: 'one entry for each issuer and audience',
        mend: 'delete one of the two, or name another audience',
      })
    }
    for (const [key, value] of [
      ['issuer', entry.issuer],
      ['jwks_url', entry.jwks_url],
    ] as const) {
      const url = value === undefined ? undefined : new URL(value)
      if (url?.protocol !== 'http:' || LOCAL_HOSTS.has(url.hostname)) continue
      tell('insecure_issuer', at(key), {
        found: `"${value}", plain http on another host`,
        expected: 'https: whoever is on the way could hand out keys of his own',
        mend: 'serve the IdP over https',
      })
    }
    judgeClient(entry, same, settings, at, tell)
  })
  return faults
}

/** A session knows its issuer alone: there must be one client for it. */
function judgeClient(
  entry: IdpEntry,
  sameIssuer: readonly IdpEntry[],
  settings: BffSettings | undefined,
  at: (key: keyof IdpEntry) => KeyPath,
  tell: (
    code: string,
    path: KeyPath,
    told: { found: string; expected: string; mend: string },
  ) => void,
): void {
  const { client_id: id, client_secret: secret, token_endpoint_auth_method: method } = entry
  const bare = secret === undefined && method !== 'private_key_jwt'
  if (id === undefined ? secret !== undefined : bare) {
    tell('missing_key', at(id === undefined ? 'client_id' : 'client_secret'), {
      found:
        id === undefined ? 'client_secret without client_id' : 'client_id without client_secret',
      expected: 'both, where users sign in, or neither',
      mend: `add ${id === undefined ? 'client_id' : 'client_secret'}`,
    })
  }
  if (id === undefined) return
  const own = settings?.auth.issuer === entry.issuer
  const other = sameIssuer.find((earlier) => earlier.client_id !== undefined)
  if (!own && other === undefined) return
  tell('conflicting_keys', at('client_id'), {
    found: `"${id}" at ${entry.issuer}, where ${own ? `auth has the client "${settings.auth.client_id}"` : `"${other?.name}" has one, too`}`,
    expected: 'one client for each issuer: a session knows its issuer alone',
    mend: 'delete client_id and client_secret of this entry',
  })
}
