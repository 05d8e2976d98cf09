import type { User } from './accounts/users-file.ts'

/** Which scope releases which claim, to the ID token and to /userinfo alike. */
export const CLAIMS = {
  openid: ['sub', 'roles', 'session_expiry'],
  profile: ['name', 'preferred_username'],
  email: ['email'],
  acr: null,
  amr: null,
  auth_time: null,
  iss: null,
  sid: null,
} as const

/** All that we know of a user; scopes decide what leaves. */
export function accountClaims(user: User): Record<string, unknown> & { sub: string } {
  return {
    sub: user.sub,
    name: user.name,
    preferred_username: user.username,
    email: user.email,
    roles: user.roles,
  }
}

/** The claims of a user that `scopes` release (OIDC Core §5.4). */
export function releasedClaims(user: User, scopes: ReadonlySet<string>): Record<string, unknown> {
  const released = new Set<string>(
    (['openid', 'profile', 'email'] as const).flatMap((scope) =>
      scopes.has(scope) ? [...CLAIMS[scope]] : [],
    ),
  )
  return Object.fromEntries(
    Object.entries(accountClaims(user)).filter(
      ([name, value]) => released.has(name) && value !== undefined,
    ),
  )
}

/** The claims that an access token carries beyond RFC 9068 §2.2: what backends decide by. */
export function accessTokenClaims(
  user: User | undefined,
  actor: string | undefined,
): Record<string, unknown> {
  return {
    ...(user === undefined ? {} : { roles: user.roles }),
    ...(actor === undefined ? {} : { act: { sub: actor } }),
  }
}
