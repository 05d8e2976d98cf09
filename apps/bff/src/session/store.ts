/**
 * Where sessions, their service tokens and logins under way are kept. Records are opaque here:
 * sealed by the caller, found by hashes. Times are seconds since the epoch. Every method may throw
 * when the store is away; none may answer "absent" for that.
 */
export interface SessionStore {
  /** Whether other processes write it, too: what was read of it grows old. */
  readonly shared: boolean
  readSession(id: string): Promise<StoredSession | undefined>
  /** Creates the session. */
  insertSession(id: string, session: Omit<StoredSession, 'version'>): Promise<void>
  /**
   * Replaces the sealed record if its version is still `version`; the stored one is then one higher.
   *
   * @returns false when somebody else was faster or the session is gone.
   */
  replaceSession(id: string, sealed: Uint8Array, version: number): Promise<boolean>
  touchSession(id: string, seenAt: number): Promise<void>
  /** Deletes the session and its tokens. */
  deleteSession(id: string): Promise<void>

  /** The sealed service tokens of a session, by service. */
  readTokens(id: string): Promise<Map<string, Uint8Array>>
  /** Keeps a token for a session that still exists; otherwise nothing. */
  writeToken(id: string, service: string, sealed: Uint8Array, expiresAt: number): Promise<void>
  deleteToken(id: string, service: string): Promise<void>

  insertLogin(id: string, sealed: Uint8Array, expiresAt: number): Promise<void>
  readLogin(id: string): Promise<{ sealed: Uint8Array; used: boolean } | undefined>
  /** @returns true exactly once for each login: whoever gets it may redeem the code. */
  useLogin(id: string): Promise<boolean>

  /** Deletes up to `limit` expired rows of each kind; never blocks for long. Nothing, where they expire by themselves. */
  deleteExpired(now: number, idleSeconds: number, limit: number): Promise<number>
  close(): Promise<void>
}

export interface StoredSession {
  sealed: Uint8Array
  version: number
  createdAt: number
  seenAt: number
  /** The hard limit. */
  expiresAt: number
}
