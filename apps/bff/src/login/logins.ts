import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { LoginRequest } from '../session/session.ts'
import type { SessionStore } from '../session/store.ts'
import { type StoreKeys, seal, unseal } from '../session/ticket.ts'
import type { LoginSecrets } from '../tokens/idp.ts'

/** A login may take this long, in seconds; the tombstone of a completed one stays as long. */
export const LOGIN_SECONDS = 600

/** A login under way, from the redirect to the IdP until its callback. */
export interface Login {
  secrets: LoginSecrets
  returnTo: string
  /** Where it began, and alone may end. */
  frontend: string
  /** The IdP that the browser was sent to. */
  issuer: string
  requested: LoginRequest
  /** The IdP was asked to show nothing (`prompt=none`). */
  silent: boolean
  /** When it began, in seconds since the epoch; absent where another version began it. */
  beganAt?: number
}

export type LoginLookup =
  | { kind: 'login'; login: Login; used: boolean }
  /** This browser did not begin it: the cookie is missing or another's. */
  | { kind: 'foreign' }
  /** Nobody began it, or too long ago. */
  | { kind: 'unknown' }

/**
 * Logins under way, found by a hash of their `state` and sealed under a secret that only the
 * browser holds, one cookie a login: several tabs may log in at once, a `state` from elsewhere opens
 * nothing (login CSRF, RFC 9700 §4.7), and the verifier in a copied store is of no use.
 */
export class Logins {
  readonly #store: SessionStore
  readonly #keys: StoreKeys
  readonly #clock: Clock

  constructor(deps: { store: SessionStore; storeKeys: StoreKeys; clock: Clock }) {
    this.#store = deps.store
    this.#keys = deps.storeKeys
    this.#clock = deps.clock
  }

  /** @returns the secret for the browser's cookie. */
  async begin(begun: Login): Promise<string> {
    const login = { ...begun, beganAt: this.#clock() }
    const secret = randomBytes(32).toString('base64url')
    const id = loginId(login.secrets.state)
    await this.#store.insertLogin(
      id,
      seal(sealKey(secret, this.#keys.current), id, login),
      this.#clock() + LOGIN_SECONDS,
    )
    return secret
  }

  async find(state: string, secret: string | undefined): Promise<LoginLookup> {
    const id = loginId(state)
    const stored = await this.#store.readLogin(id)
    if (stored === undefined) return { kind: 'unknown' }
    const keys = this.#keys.all.map((key) => sealKey(secret ?? '', key))
    const login = secret && unseal(keys, id, stored.sealed)
    return login ? { kind: 'login', login: login as Login, used: stored.used } : { kind: 'foreign' }
  }

  /** @returns true exactly once for each login. */
  use(state: string): Promise<boolean> {
    return this.#store.useLogin(loginId(state))
  }
}

const sealKey = (secret: string, key: Buffer) =>
  Buffer.from(hkdfSync('sha256', secret, key, 'login', 32))

/** Tells the cookie of one login from those of the others; not secret. */
export const loginCookieTag = (state: string) => loginId(state).slice(0, 12)

const loginId = (state: string) => createHash('sha256').update(state).digest('hex')
