import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from 'node:crypto'

/**
 * The ticket: the cookie holds 32 random bytes, and everything else follows from them. The store
 * keeps a record under a hash of the ticket, sealed with a key derived from the ticket and the
 * store's own key: a copy of the store opens nothing without the browsers' cookies, and a stolen
 * cookie opens nothing without the store.
 */
export interface Ticket {
  /** What the cookie holds: base64url, 43 characters. */
  cookie: string
  /** Key of the record in the store: hex. */
  id: string
  /** Goes into `X-CSRF-Token`; tells nothing about the cookie. */
  csrf: string
  dataKey: Buffer
}

const COOKIE = /^[A-Za-z0-9_-]{43}$/

export function newTicket(keys: StoreKeys): Ticket {
  return deriveTicket(randomBytes(32).toString('base64url'), keys.current)
}

/** What the cookie is under each of the keys, the current one first; none when it cannot be a ticket. */
export function readTickets(cookie: string, keys: StoreKeys): Ticket[] {
  return COOKIE.test(cookie) ? keys.all.map((key) => deriveTicket(cookie, key)) : []
}

function deriveTicket(cookie: string, storeKey: Buffer): Ticket {
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', cookie, storeKey, purpose, 32))
  return {
    cookie,
    id: derive('session id').toString('hex'),
    csrf: derive('csrf token').toString('hex'),
    dataKey: derive('session data'),
  }
}

/** The keys of the store: new records are sealed with the first, older ones still open with the others. */
export interface StoreKeys {
  current: Buffer
  all: readonly Buffer[]
}

/**
 * The keys of the store, 32 bytes each, from secrets of at least 32 characters. To change the key,
 * each node is first given the new one as a further key, then as the first.
 */
export function storeKeysFrom(secrets: readonly [string, ...string[]]): StoreKeys {
  const derive = (secret: string) => {
    if (secret.length < 32) throw new Error('store.key: at least 32 characters are needed')
    return createHash('sha256').update(secret).digest()
  }
  return { current: derive(secrets[0]), all: secrets.map(derive) }
}

/** A keyed hash under which something is found without telling what it is: hex, 64 characters. */
export const keyedHash = (key: Buffer, purpose: string, text: string) =>
  createHmac('sha256', Buffer.from(hkdfSync('sha256', key, '', `hash ${purpose}`, 32)))
    .update(text)
    .digest('hex')

const VERSION = 2
const KEY_ID_BYTES = 4
const NONCE_AT = 1 + KEY_ID_BYTES
const TAG_AT = NONCE_AT + 12
const BODY_AT = TAG_AT + 16

/** Names a key without telling it. */
const keyId = (key: Buffer) => Buffer.from(hkdfSync('sha256', key, '', 'key id', KEY_ID_BYTES))

/**
 * AES-256-GCM with a random nonce: version, key id, nonce, tag, ciphertext. `context` is
 * authenticated, so that a record moved to another key or purpose does not open.
 */
export function seal(key: Buffer, context: string, value: unknown): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(context))
  const body = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()])
  return Buffer.concat([Buffer.of(VERSION), keyId(key), nonce, cipher.getAuthTag(), body])
}

/**
 * @param keys of which the record names one.
 * @returns undefined when the record was not sealed with one of these keys and this context.
 */
export function unseal(
  keys: Buffer | readonly Buffer[],
  context: string,
  sealed: Uint8Array,
): unknown {
  const bytes = Buffer.from(sealed)
  if (bytes[0] !== VERSION || bytes.length < BODY_AT) return undefined
  const named = bytes.subarray(1, NONCE_AT)
  const key = (Buffer.isBuffer(keys) ? [keys] : keys).find((known) => keyId(known).equals(named))
  if (key === undefined) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(NONCE_AT, TAG_AT))
    decipher.setAAD(Buffer.from(context))
    decipher.setAuthTag(bytes.subarray(TAG_AT, BODY_AT))
    return JSON.parse(
      Buffer.concat([decipher.update(bytes.subarray(BODY_AT)), decipher.final()]).toString('utf8'),
    )
  } catch {
    return undefined
  }
}
