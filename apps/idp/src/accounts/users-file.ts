import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { isPasswordHash } from './password.ts'

export const userSchema = z.strictObject({
  /** The subject of every token: stable for life, never reused. */
  sub: z.string().min(1).max(255),
  username: z.string().min(1).max(255),
  name: z.string().min(1).optional(),
  email: z.string().min(3).optional(),
  roles: z.array(z.string().min(1)).default([]),
  password_hash: z
    .string()
    .refine(isPasswordHash, 'expected $scrypt$ln=15,r=8,p=1$salt$hash with ln of at least 15'),
})

const fileSchema = z
  .strictObject({ users: z.array(userSchema) })
  .refine(({ users }) => new Set(users.map(({ sub }) => sub)).size === users.length, {
    message: 'two users have the same sub',
  })
  .refine(({ users }) => new Set(users.map(({ username }) => username)).size === users.length, {
    message: 'two users have the same username',
  })

export type User = z.output<typeof userSchema>

/**
 * The users in the file; undefined when there is no such file, or it says nothing.
 *
 * @throws Error naming the file and every fault in it; a hash is never quoted.
 */
export function readUsers(path: string): User[] | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`cannot read the users file ${path}`, { cause })
  }
  let document: unknown
  try {
    document = parse(text)
  } catch (cause) {
    throw new Error(`the users file ${path} is not valid YAML`, { cause })
  }
  if (document === null) return undefined
  const result = fileSchema.safeParse(document)
  if (result.success) return result.data.users
  const faults = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new Error(`the users file ${path} is malformed: ${faults.join('; ')}`)
}

/** Replaces the file in one step, so that a reader sees the old users or the new, never half. */
export function writeUsers(path: string, users: readonly User[]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const next = `${path}.${randomBytes(6).toString('hex')}.tmp`
  writeFileSync(next, stringify({ users }), { mode: 0o600, flag: 'wx' })
  chmodSync(next, 0o600)
  renameSync(next, path)
}
