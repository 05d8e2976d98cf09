import type { SessionUser } from '@audience-bridge/contracts/session.ts'

/** The user from the ID token's claims (OpenID Connect Core §5.1). */
export function userFrom(claims: Record<string, unknown>): SessionUser {
  const { sub, name, email, roles } = claims
  return {
    sub: String(sub),
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof email === 'string' ? { email } : {}),
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
  }
}
