/** A model of the OpenID provider as it is stored: JSON, opaque to us but for what we index. */
export interface StoredModel {
  grantId?: string | undefined
  uid?: string | undefined
  userCode?: string | undefined
  consumed?: number | undefined
  [member: string]: unknown
}

/**
 * Where one kind of model (`Session`, `Grant`, `RefreshToken`, …) is kept. Every method is seen by
 * every process that shares the store as soon as it has resolved.
 */
export interface ModelAdapter {
  /** `expiresIn` in seconds; without it the model never expires. */
  upsert(id: string, payload: StoredModel, expiresIn?: number): Promise<void>
  /** Undefined for a model that is not there or has expired. */
  find(id: string): Promise<StoredModel | undefined>
  findByUid(uid: string): Promise<StoredModel | undefined>
  findByUserCode(userCode: string): Promise<StoredModel | undefined>
  /**
   * Marks a one-time model as used, atomically.
   *
   * @throws AlreadyConsumed for a second use, also for one of two at the same moment.
   */
  consume(id: string): Promise<void>
  destroy(id: string): Promise<void>
  /** Removes every model of this kind that belongs to the grant. */
  revokeByGrantId(grantId: string): Promise<void>
}

/** A one-time model was used again. In the shape of an OAuth error, which goes to the client. */
export class AlreadyConsumed extends Error {
  readonly error = 'invalid_grant'
  readonly error_description = 'it has been used before'
  readonly status = 400
  readonly statusCode = 400
  readonly expose = true

  constructor() {
    super('invalid_grant')
    this.name = 'AlreadyConsumed'
  }
}

export interface ModelStore {
  /**
   * @param reuseSeconds for how many seconds after its use a one-time model of this kind is taken
   *   once more; 0 for never. The reason: a client whose connection broke, or that died, while the
   *   answer with the new refresh token was under way holds only the old one. It may repeat once,
   *   soon; everything else is a replay.
   */
  adapter(model: string, reuseSeconds?: number): ModelAdapter
  /** The living models of a kind that belong to a user. Looks at each of the kind: for rare events. */
  ofAccount(model: string, accountId: string): StoredModel[]
  /** True for the first who claims `id`; false for everybody else until `expiresAt`. Atomic. */
  claim(id: string, expiresAt: number): boolean
  close(): void
}

export interface StoreOptions {
  /** Seconds since the epoch, with fractions. */
  now(): number
}
