/**
 * Where sessions, their service tokens and logins under way are kept. Records are opaque here:
 * sealed by the caller, found by hashes. Times are seconds since the epoch where nothing else is
 * said. Every method may throw when the store is away; none may answer "absent" for that.
 */
export interface SessionStore {
  /** How far this process can be told at once of what others do; see `StoreHearing`. */
  readonly hearing: Readonly<StoreHearing>
  /** @returns a function that stops the telling. */
  watch(listener: (news: StoreNews) => void): () => void

  readSession(id: string): Promise<StoredSession | undefined>
  /** Creates the session, which can be listed from then on. */
  insertSession(id: string, session: NewSession): Promise<void>
  /**
   * Replaces the sealed record, and the card where one is given, if the version is still `version`;
   * the stored one is then one higher.
   *
   * @returns false when somebody else was faster or the session is gone.
   */
  replaceSession(
    id: string,
    sealed: Uint8Array,
    version: number,
    card?: Uint8Array,
  ): Promise<boolean>
  touchSession(id: string, seenAt: number): Promise<void>
  /**
   * Deletes the session, its tokens and leases, and tells every process that watches, this one too.
   *
   * @param unseenSince only if it was not touched after this time: another node may have seen it.
   * @returns true exactly once for each session.
   */
  deleteSession(id: string, reason: string, unseenSince?: number): Promise<boolean>
  /**
   * What can be found without the user's cookie, by the hash of a user or of an IdP's session, or
   * all: a page of at most `limit`, in no order that means anything. Expired ones may be among them.
   */
  listSessions(
    by: SessionKey | 'all',
    page: { limit: number; after?: string },
  ): Promise<SessionPage>
  /** One session as it is listed. */
  readListed(id: string): Promise<ListedSession | undefined>
  /** How many sessions there are; expired ones that are not yet deleted may be counted. */
  countSessions(): Promise<number>

  /** The sealed service tokens of a session, by service. */
  readTokens(id: string): Promise<Map<string, Uint8Array>>
  /**
   * Keeps a token for a session that still exists.
   *
   * @param fence of the lease under which it was minted: a writer whose lease was lost to another
   *   comes too late (a paused process must not overwrite what its successor wrote).
   * @returns false when it was not kept.
   */
  writeToken(
    id: string,
    service: string,
    sealed: Uint8Array,
    expiresAt: number,
    fence: number,
  ): Promise<boolean>
  deleteToken(id: string, service: string): Promise<void>

  /**
   * Gives one holder among all processes the right to do something for a session, for `ms`
   * milliseconds or until it is released. Fences grow from lease to lease of one session.
   */
  acquireLease(id: string, name: string, holder: string, ms: number): Promise<Lease>
  /** @returns false when the lease has run out or is another's. */
  renewLease(id: string, name: string, holder: string, ms: number): Promise<boolean>
  /** Gives a lease back, if it is still the holder's, and tells those who wait for it. */
  releaseLease(id: string, name: string, holder: string): Promise<void>

  insertLogin(id: string, sealed: Uint8Array, expiresAt: number): Promise<void>
  readLogin(id: string): Promise<{ sealed: Uint8Array; used: boolean } | undefined>
  /** @returns true exactly once for each login: whoever gets it may redeem the code. */
  useLogin(id: string): Promise<boolean>

  /** @returns true exactly once for each key until `expiresAt`: a second use is a replay. */
  useOnce(key: string, expiresAt: number): Promise<boolean>

  /** A sealed document that all processes share, such as a ring of signing keys. */
  readDocument(name: string): Promise<{ sealed: Uint8Array; version: number } | undefined>
  /**
   * @param version of the document that is replaced; 0: there is none yet.
   * @returns false when somebody else was faster.
   */
  replaceDocument(name: string, sealed: Uint8Array, version: number): Promise<boolean>

  /**
   * Adds what this process has let through to token buckets that all processes share; each is kept
   * until it is whole. Absent: the store has one process, whose own count is the whole one.
   *
   * @returns for each, in how many milliseconds it is whole.
   */
  spend?(spent: readonly BucketSpent[]): Promise<number[]>

  /** Deletes up to `limit` expired rows of each kind; never blocks for long. Nothing, where they expire by themselves. */
  deleteExpired(now: number, idleSeconds: number, limit: number): Promise<number>
  /** @throws when the store does not answer. */
  ping(): Promise<void>
  close(): Promise<void>
}

/**
 * Messages of a session's end can be lost with the connection that carries them. What this process
 * holds of a session is true at a moment when the telling has been unbroken from before it was read
 * until just now. Milliseconds of `performance.now()`; a store of one process hears itself always:
 * `since` is -Infinity and `provenAt` Infinity.
 */
export interface StoreHearing {
  /** Since when nothing can have been missed; Infinity while the telling is broken. */
  since: number
  /** When the telling was last shown to work. */
  provenAt: number
}

/** Told to every process that watches the store. */
export type StoreNews =
  | { kind: 'ended'; id: string; reason: string }
  /** Its record was replaced. */
  | { kind: 'changed'; id: string }
  /** Somebody gave this lease back. */
  | { kind: 'released'; id: string; name: string }

export interface BucketSpent {
  /** A hash, in hex. */
  name: string
  /** Milliseconds by which it is whole later. */
  spentMs: number
  /** How long ago the first of that was taken, in milliseconds. */
  ageMs: number
}

export interface NewSession {
  sealed: Uint8Array
  /** What must be readable without the user's cookie, sealed under the server's own key. */
  card: Uint8Array
  /** Hashes under which it is found. */
  keys: readonly SessionKey[]
  createdAt: number
  seenAt: number
  /** The hard limit. */
  expiresAt: number
}

export interface StoredSession {
  sealed: Uint8Array
  version: number
  createdAt: number
  seenAt: number
  expiresAt: number
}

/** A keyed hash of a user, or of a session at an IdP. */
export interface SessionKey {
  kind: 'user' | 'sid'
  hash: string
}

export interface ListedSession {
  id: string
  card: Uint8Array
  createdAt: number
  seenAt: number
  expiresAt: number
}

export interface SessionPage {
  sessions: ListedSession[]
  /** Where the next page begins; absent on the last. */
  next?: string
}

export type Lease =
  | { kind: 'held'; fence: number }
  /** Another holder has it. */
  | { kind: 'taken' }
  /** There is no such session. */
  | { kind: 'gone' }
