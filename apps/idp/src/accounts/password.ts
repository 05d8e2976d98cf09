import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

/*
 * scrypt in the PHC string format: `$scrypt$ln=15,r=8,p=1$salt$hash`. Every hash carries its own
 * cost, so the cost can be raised without touching the users that exist. N = 2^15, r = 8 takes
 * 32 MiB and some 60 ms; node:crypto runs it off the event loop, four at a time.
 */

const COST = { ln: 15, r: 8, p: 1 }
const HASH_BYTES = 32
const FORMAT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{16,})\$([A-Za-z0-9+/]{22,})$/

/** What a hash must be to be accepted: no weaker than ours, and no cost that would stop the server. */
export function isPasswordHash(text: string): boolean {
  return parse(text) !== undefined
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, HASH_BYTES, COST)
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${encode(salt)}$${encode(hash)}`
}

/** False for a wrong password and for a hash that cannot be read. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const parsed = parse(stored)
  if (parsed === undefined) return false
  const actual = await derive(password, parsed.salt, parsed.hash.length, parsed.cost)
  return timingSafeEqual(actual, parsed.hash)
}

function parse(text: string) {
  const match = FORMAT.exec(text)
  if (match === null) return undefined
  const [, ln = '', r = '', p = '', salt = '', hash = ''] = match
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) }
  if (cost.ln < 15 || cost.ln > 18 || cost.r < 8 || cost.r > 16 || cost.p < 1 || cost.p > 4) {
    return undefined
  }
  return { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
}

function derive(
  password: string,
  salt: Buffer,
  bytes: number,
  { ln, r, p }: typeof COST,
): Promise<Buffer> {
  const N = 2 ** ln
  const options: ScryptOptions = { N, r, p, maxmem: 128 * N * r * 2 }
  return new Promise((resolve, reject) => {
    // NFKC: the same password typed on two keyboards is the same bytes.
    scrypt(password.normalize('NFKC'), salt, bytes, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    )
  })
}

const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
