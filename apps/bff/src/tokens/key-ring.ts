import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose'
import type { SessionStore } from '../session/store.ts'
import { type StoreKeys, seal, unseal } from '../session/ticket.ts'
import {
  type DatedKey,
  isDue,
  isPending,
  type KeyState,
  pruned,
  type RingRules,
  signerOf,
  signsFromOf,
  stateOf,
} from './key-schedule.ts'

/*
 * Signing keys that all nodes share: one sealed document in the session store for each ring. Whoever
 * finds that a key is due makes one; of several that do at once, one writes and the others read what
 * it wrote. A ring that was read goes on serving when the store is away.
 */

export type RingName = 'client' | 'assertion' | 'dpop'

/** A key of a ring, ready for use. */
export interface SigningKey {
  /** Its thumbprint (RFC 7638). */
  kid: string
  privateKey: CryptoKey
  publicKey: CryptoKey
  /** The public key alone. */
  jwk: JWK
}

/** What an administrator may know of a key. */
export interface KeyReport {
  ring: RingName
  kid: string
  state: KeyState
  created_at: string
  signs_from: string
}

interface StoredKey extends DatedKey {
  kid: string
  /** The private key. */
  jwk: JWK
}

interface RingDocument {
  v: 1
  keys: StoredKey[]
}

/** An unknown key is looked for in the store at most this often, in milliseconds. */
const LOOK_MS = 1000
const MAX_ATTEMPTS = 10

export class KeyRing {
  readonly name: RingName
  readonly #store: SessionStore
  readonly #storeKeys: StoreKeys
  readonly #rules: () => RingRules
  readonly #aliveSeconds: number
  readonly #clock: Clock
  readonly #log: Logger
  #keys: readonly StoredKey[] = []
  readonly #ready = new Map<string, SigningKey>()
  #reading: Promise<void> | undefined
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(deps: {
    name: RingName
    store: SessionStore
    storeKeys: StoreKeys
    rules: () => RingRules
    /** How long something that a key signed, or is bound to it, can be alive. */
    aliveSeconds: number
    clock: Clock
    log: Logger
  }) {
    this.name = deps.name
    this.#store = deps.store
    this.#storeKeys = deps.storeKeys
    this.#rules = deps.rules
    this.#aliveSeconds = deps.aliveSeconds
    this.#clock = deps.clock
    this.#log = deps.log
  }

  /** The key that signs now. @throws whatever the store throws, as long as the ring was never read. */
  async signer(): Promise<SigningKey> {
    if (this.#keys.length === 0) await this.read()
    const stored = signerOf(this.#keys, this.#clock())
    const key = stored && this.#ready.get(stored.kid)
    if (key === undefined) throw new Error(`the key ring ${this.name} is empty`)
    return key
  }

  /** The key of this thumbprint, also an old one; another node may have made it just now. */
  async find(kid: string): Promise<SigningKey | undefined> {
    const known = this.#ready.get(kid)
    const now = performance.now()
    if (known !== undefined || now - this.#lookedAt < LOOK_MS) return known
    this.#lookedAt = now
    await this.read().catch(() => {})
    return this.#ready.get(kid)
  }

  /** Whether this node knows the key of this thumbprint. */
  has(kid: string): boolean {
    return this.#ready.has(kid)
  }

  /** The public keys for a JWK set. */
  async published(): Promise<JWK[]> {
    if (this.#keys.length === 0) await this.read()
    return this.#keys.flatMap(({ kid }) => this.#ready.get(kid)?.jwk ?? [])
  }

  async report(): Promise<KeyReport[]> {
    await this.read().catch((cause: unknown) => {
      if (this.#keys.length === 0) throw cause
    })
    return this.#report()
  }

  get isRead(): boolean {
    return this.#keys.length > 0
  }

  /** Reads the ring; makes a key where one is due, and drops those that are no longer needed. */
  read(): Promise<void> {
    this.#reading ??= this.#edit(async (keys) => {
      const now = this.#clock()
      const due = isDue(keys, now, this.#rules()) && !isPending(keys, now)
      const grown = due ? [...keys, await this.#make(signsFromOf(keys, now))] : keys
      return pruned(grown, now, this.#rules(), this.#aliveSeconds)
    }).finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /**
   * Makes the next key now. Ordinarily it is published first and signs ten minutes later; nothing
   * happens where one is waiting for its time already.
   *
   * @param compromised a thief has the keys: the new one signs at once, and the others are gone.
   *   Whoever kept our published keys refuses it until they read them again.
   */
  async rotate({ compromised }: { compromised: boolean }): Promise<KeyReport[]> {
    await this.#edit(async (keys) => {
      const now = this.#clock()
      if (compromised) return [await this.#make(now)]
      return isPending(keys, now) ? keys : [...keys, await this.#make(signsFromOf(keys, now))]
    }, compromised)
    return this.#report()
  }

  #report(): KeyReport[] {
    const now = this.#clock()
    const date = (seconds: number) => new Date(seconds * 1000).toISOString()
    return this.#keys.map((key) => ({
      ring: this.name,
      kid: key.kid,
      state: stateOf(key, this.#keys, now),
      created_at: date(key.createdAt),
      signs_from: date(key.signsFrom),
    }))
  }

  async #edit(
    change: (keys: readonly StoredKey[]) => Promise<readonly StoredKey[]>,
    overwrite = false,
  ): Promise<void> {
    const document = `keys/${this.name}`
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = await this.#store.readDocument(document)
      const held = stored === undefined ? [] : this.#open(document, stored.sealed, overwrite)
      const wanted = await change(held)
      // Under an older key of the store it would be lost when that one is taken away.
      const current =
        stored !== undefined &&
        unseal(this.#storeKeys.current, document, stored.sealed) !== undefined
      if (wanted === held && current) return this.#adopt(held)
      const sealed = seal(this.#storeKeys.current, document, {
        v: 1,
        keys: [...wanted],
      } satisfies RingDocument)
      if (await this.#store.replaceDocument(document, sealed, stored?.version ?? 0)) {
        await this.#adopt(wanted)
        const kids = wanted.map(({ kid }) => kid)
        this.#log.info({ ring: this.name, kids }, 'the key ring was changed')
        return
      }
    }
    throw new Error(`the key ring ${this.name} is changed by others without an end`)
  }

  #open(document: string, sealed: Uint8Array, overwrite: boolean): StoredKey[] {
    const opened = unseal(this.#storeKeys.all, document, sealed) as RingDocument | undefined
    if (opened?.v === 1) return opened.keys
    if (overwrite) return []
    // A node with another key must not throw away what the others sign with.
    throw new Error(
      `the key ring ${this.name} was sealed with another store.key: name that one in store.further_keys, or rotate the ring as compromised`,
    )
  }

  async #adopt(keys: readonly StoredKey[]): Promise<void> {
    for (const { kid, jwk } of keys) {
      if (!this.#ready.has(kid)) this.#ready.set(kid, await readyKey(kid, jwk))
    }
    this.#keys = keys
    const kids = new Set(keys.map(({ kid }) => kid))
    for (const kid of this.#ready.keys()) if (!kids.has(kid)) this.#ready.delete(kid)
  }

  async #make(signsFrom: number): Promise<StoredKey> {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(privateKey)
    const kid = await calculateJwkThumbprint(jwk)
    return { kid, jwk, createdAt: this.#clock(), signsFrom }
  }
}

async function readyKey(kid: string, jwk: JWK): Promise<SigningKey> {
  const { kty, crv, x, y } = jwk
  const bare = { kty, crv, x, y } as JWK
  return {
    kid,
    privateKey: (await importJWK(jwk, 'ES256')) as CryptoKey,
    // Extractable: the head of a DPoP proof carries it.
    publicKey: (await importJWK(bare, 'ES256', { extractable: true })) as CryptoKey,
    jwk: { ...bare, kid, alg: 'ES256', use: 'sig' },
  }
}
