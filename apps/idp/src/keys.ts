import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { z } from 'zod'

const privateKeySchema = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string().min(1),
  y: z.string().min(1),
  d: z.string().min(1),
  kid: z.string().min(1),
  alg: z.literal('ES256'),
  use: z.literal('sig'),
  /** When it was made, in seconds since the epoch. */
  iat: z.int().optional(),
  /** From when on it signs; absent: at once. */
  nbf: z.int().optional(),
})

const keysSchema = z.strictObject({
  version: z.literal(1),
  /** Signing keys, the newest first; the first one whose time has come signs, the others verify. */
  signing: z.array(privateKeySchema).min(1),
  /** Secrets that sign cookies; the first one signs. */
  cookies: z.array(z.string().min(32)).min(1),
})

export type SigningKey = z.output<typeof privateKeySchema>
export type Keys = z.output<typeof keysSchema>

/**
 * The keys in `path`, made at the first start and kept. Two processes that start at once agree on
 * the keys of the one that was first; a crash while writing leaves no half file behind.
 *
 * @throws Error naming the file when it cannot be read; its content is never quoted.
 */
export async function openKeys(path: string): Promise<Keys> {
  const text = read(path) ?? (await create(path))
  chmodSync(path, 0o600)
  return parse(path, text)
}

/** The keys in `path` as they are now. @throws Error as `openKeys` does, and when there are none. */
export function readKeys(path: string): Keys {
  const text = read(path)
  if (text === undefined) throw new Error(`the key file ${path} is gone; restore it`)
  return parse(path, text)
}

/** Puts `keys` in the place of those in `path`; no reader sees half of them. */
export function replaceKeys(path: string, keys: Keys): void {
  const draft = writeDraft(path, keys)
  renameSync(draft, path)
}

/** The keys in the order in which the provider takes them: the one that signs now is the first. */
export function keysInOrder({ signing }: Keys, now: number): SigningKey[] {
  const signer = signing.find(({ nbf = 0 }) => nbf <= now) ?? signing[0]
  return signing.toSorted((one, other) => Number(other === signer) - Number(one === signer))
}

export async function makeSigningKey(iat: number, nbf: number): Promise<SigningKey> {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    format: 'jwk',
  })
  const kid = await calculateJwkThumbprint(jwk as JWK)
  return privateKeySchema.parse({ ...jwk, kid, alg: 'ES256', use: 'sig', iat, nbf })
}

function parse(path: string, text: string): Keys {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    throw new Error(
      `the key file ${path} is not JSON; restore it, or move it away to make new keys`,
      {
        cause,
      },
    )
  }
  const result = keysSchema.safeParse(document)
  if (result.success) return result.data
  const places = result.error.issues.map((issue) => issue.path.join('.') || 'the document')
  throw new Error(`the key file ${path} is malformed at ${places.join(', ')}`)
}

/** 32 bytes for one purpose: the same as long as the cookie keys are, and of no use for another. */
export function deriveSecret(keys: Keys, purpose: string): Buffer {
  return createHmac('sha256', `${purpose}\n${keys.cookies[0]}`).digest()
}

/** What a verifier may know. */
export function publicKeys(keys: Keys): { keys: JWK[] } {
  return { keys: keys.signing.map(({ d: _, iat: __, nbf: ___, ...publicKey }) => publicKey) }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`cannot read the key file ${path}`, { cause })
  }
}

async function create(path: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const draft = writeDraft(path, {
    version: 1,
    signing: [await makeSigningKey(now, now)],
    cookies: [randomBytes(32).toString('base64url')],
  })
  try {
    // A link fails when the name exists: the first writer wins, and its file is whole.
    linkSync(draft, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
  } finally {
    rmSync(draft, { force: true })
  }
  return readFileSync(path, 'utf8')
}

function writeDraft(path: string, keys: Keys): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`
  writeFileSync(draft, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  return draft
}
