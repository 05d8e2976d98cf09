import type { ClaimsMapping } from '@audience-bridge/chain/bff-idps.ts'

/**
 * The claims of an IdP with `roles` and `permissions` as its mapping finds them. What an IdP says of
 * roles under another name than the mapping's is worth nothing here: a partner's IdP must not make
 * administrators of ours by sending the claim `roles`.
 *
 * @param mapping undefined: the IdP is our own, and its claim `roles` counts as it is.
 */
export function mapClaims(
  claims: Readonly<Record<string, unknown>>,
  mapping: ClaimsMapping | undefined,
): Record<string, unknown> {
  const { permissions: _unmapped, ...rest } = claims
  if (mapping === undefined) return rest
  const permissions = valuesOf(claims, mapping.permissions)
  return {
    ...rest,
    roles: valuesOf(claims, mapping.roles),
    ...(mapping.permissions.length === 0 ? {} : { permissions }),
  }
}

/** A user's name among those of all IdPs: another IdP may give the same `sub` to somebody else. */
export const principalOf = (provider: string | undefined, sub: string) =>
  provider === undefined ? sub : `auth:account:${provider}:${sub}`

/**
 * The user of a session among those of all IdPs.
 *
 * @throws for an issuer that is not configured: a bare `sub` would be the name of a user of ours.
 */
export function principalIn(
  idps: readonly { issuer: string; provider: string | undefined }[],
  { issuer, user }: { issuer: string; user: { sub: string } },
): string {
  const idp = idps.find((one) => one.issuer === issuer)
  if (idp === undefined)
    throw new Error(`a user of ${issuer}, which is not configured, has no name`)
  return principalOf(idp.provider, user.sub)
}

function valuesOf(
  claims: Readonly<Record<string, unknown>>,
  sources: ClaimsMapping['roles'],
): string[] {
  const values = sources.flatMap(({ source, format }) => {
    const value = claimAt(claims, source)
    if (format === 'list') return Array.isArray(value) ? value : []
    return typeof value === 'string' ? value.split(' ') : []
  })
  return [...new Set(values.filter((value) => typeof value === 'string' && value !== ''))]
}

/** A claim by its whole name (`https://example.com/roles`), else by a path of names. */
function claimAt(claims: Readonly<Record<string, unknown>>, source: string): unknown {
  if (Object.hasOwn(claims, source)) return claims[source]
  let at: unknown = claims
  for (const name of source.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}
