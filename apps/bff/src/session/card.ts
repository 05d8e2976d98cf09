import type { Session, SessionOrigin } from './session.ts'
import type { ListedSession, SessionKey } from './store.ts'
import { keyedHash, type StoreKeys, seal, unseal } from './ticket.ts'

/*
 * The card of a session: what must be known without its user's cookie, to list it, to end it, and to
 * revoke its grant at the IdP. It is sealed under the server's own key, and found by keyed hashes of
 * the user and of the IdP's session: a copy of the store alone tells neither who is signed in nor how
 * often. Whoever has the store and the key reads these cards, and no token but the refresh token,
 * which the IdP takes from the BFF alone.
 */
export interface SessionCard {
  v: 1
  sub: string
  name?: string
  issuer: string
  sid?: string
  frontend: string
  /** `User-Agent` at the login, cut. */
  agent?: string
  /** To revoke the grant (RFC 7009). */
  refresh_token?: string
}

/** A session as it is listed. */
export interface KnownSession extends Omit<ListedSession, 'card'> {
  card: SessionCard
}

export function cardOf(session: SessionOrigin & Pick<Session, 'user' | 'grant'>): SessionCard {
  const { user, grant, agent } = session
  return {
    v: 1,
    sub: user.sub,
    ...(user.name === undefined ? {} : { name: user.name }),
    issuer: session.issuer,
    ...(session.sid === undefined ? {} : { sid: session.sid }),
    frontend: session.frontend,
    ...(agent === undefined ? {} : { agent: agent }),
    ...(grant.refreshToken === undefined ? {} : { refresh_token: grant.refreshToken }),
  }
}

/** Under which a session is found; the newest key's. */
export function keysOf(
  { issuer, sid, user }: Pick<Session, 'issuer' | 'sid' | 'user'>,
  { current }: StoreKeys,
): SessionKey[] {
  return [
    userKey(issuer, user.sub, current),
    ...(sid === undefined ? [] : [sidKey(issuer, sid, current)]),
  ]
}

/** An issuer may name what another issuer names, too: the hash is of both. */
export const userKey = (issuer: string, sub: string, key: Buffer): SessionKey => ({
  kind: 'user',
  hash: keyedHash(key, 'user', JSON.stringify([issuer, sub])),
})

export const sidKey = (issuer: string, sid: string, key: Buffer): SessionKey => ({
  kind: 'sid',
  hash: keyedHash(key, 'sid', JSON.stringify([issuer, sid])),
})

const context = (id: string) => `${id}/card`

export const sealCard = (card: SessionCard, id: string, { current }: StoreKeys) =>
  seal(current, context(id), card)

/** @returns undefined for a card that these keys do not open. */
export function openCard(listed: ListedSession, { all }: StoreKeys): KnownSession | undefined {
  const { card: sealed, ...rest } = listed
  const card = unseal(all, context(listed.id), sealed) as SessionCard | undefined
  return card?.v === 1 ? { ...rest, card } : undefined
}
