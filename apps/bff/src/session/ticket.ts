import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

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

export function newTicket(storeKey: Buffer): Ticket {
  return deriveTicket(randomBytes(32).toString('base64url'), storeKey)
}

/** @returns undefined when the value cannot be a ticket. */
export function readTicket(cookie: string, storeKey: Buffer): Ticket | undefined {
  return COOKIE.test(cookie) ? deriveTicket(cookie, storeKey) : undefined
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

/** The key of the store, 32 bytes, from a secret of at least 32 characters. */
export function storeKeyFrom(secret: string): Buffer {
  if (secret.length < 32) throw new Error('store.key: at least 32 characters are needed')
  return createHash('sha256').update(secret).digest()
}

const VERSION = 1

/**
 * AES-256-GCM with a random nonce: version, nonce, tag, ciphertext. `context` is authenticated, so
 * that a record moved to another key or purpose does not open.
 */
export function seal(key: Buffer, context: string, value: unknown): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(context))
  const body = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()])
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body])
}

/** @returns undefined when the record was not sealed with this key and context. */
export function unseal(key: Buffer, context: string, sealed: Uint8Array): unknown {
  const bytes = Buffer.from(sealed)
  if (bytes[0] !== VERSION || bytes.length < 29) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 13))
    decipher.setAAD(Buffer.from(context))
    decipher.setAuthTag(bytes.subarray(13, 29))
    return JSON.parse(
      Buffer.concat([decipher.update(bytes.subarray(29)), decipher.final()]).toString('utf8'),
    )
  } catch {
    return undefined
  }
}
