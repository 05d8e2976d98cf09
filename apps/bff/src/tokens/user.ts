import type { SessionUser } from '@audience-bridge/contracts/session.ts'

/** The user from the ID token's claims (OpenID Connect Core §5.1), once they are mapped. */
export function userFrom(claims: Record<string, unknown>): SessionUser {
  const { sub, name, email, roles, permissions } = claims
  return {
    sub: String(sub),
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof email === 'string' ? { email } : {}),
    roles: textsOf(roles),
    ...(Array.isArray(permissions) ? { permissions: textsOf(permissions) } : {}),
  }
}

const textsOf = (value: unknown) =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
