import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { z } from 'zod'
import { hashPassword } from './accounts/password.ts'
import { readUsers, type User, writeUsers } from './accounts/users-file.ts'

/*
 * `node apps/idp/src/add-users.ts FILE` reads `[{username, password, name, email, roles, sub?}]`
 * as JSON from standard input and adds the users whose names the file does not have. Users that are
 * there stay as they are, passwords included. A running IdP sees the change at the next login.
 */

const inputSchema = z.array(
  z.strictObject({
    username: z.string().min(1).max(255),
    password: z.string().min(1).max(1024),
    name: z.string().min(1).optional(),
    email: z.string().min(3).optional(),
    roles: z.array(z.string().min(1)).default([]),
    sub: z.string().min(1).max(255).optional(),
  }),
)

const [file, ...others] = process.argv.slice(2)
if (file === undefined || others.length > 0) refuseStart('usage: add-users.ts FILE < users.json')

try {
  const { added, kept } = await addUsers(resolve(file), await text(process.stdin))
  process.stdout.write(`${file}: added ${count(added)}, kept ${kept.length}\n`)
} catch (error) {
  refuseStart(error instanceof Error ? error.message : String(error))
}

async function addUsers(path: string, json: string): Promise<{ added: string[]; kept: string[] }> {
  const wanted = readInput(json)
  const present = readUsers(path) ?? []
  const known = new Set(present.map(({ username }) => username))
  const fresh = wanted.filter(({ username }, index) => {
    const first = wanted.findIndex((other) => other.username === username) === index
    return first && !known.has(username)
  })
  const users = await Promise.all(
    fresh.map(
      async ({ username, password, name, email, roles, sub }): Promise<User> => ({
        sub: sub ?? randomUUID(),
        username,
        ...(name === undefined ? {} : { name }),
        ...(email === undefined ? {} : { email }),
        roles,
        password_hash: await hashPassword(password),
      }),
    ),
  )
  const subs = new Set(present.map(({ sub }) => sub))
  for (const { sub, username } of users) {
    if (subs.has(sub)) throw new Error(`user "${username}": the sub "${sub}" is taken`)
    subs.add(sub)
  }
  if (users.length > 0) writeUsers(path, [...present, ...users])
  return {
    added: users.map(({ username }) => username),
    kept: wanted.filter(({ username }) => known.has(username)).map(({ username }) => username),
  }
}

function readInput(json: string): z.output<typeof inputSchema> {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw new Error('standard input is not JSON')
  }
  const result = inputSchema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new Error(`standard input is malformed: ${faults.join('; ')}`)
}

function count(names: readonly string[]): string {
  return names.length === 0 || names.length > 12
    ? `${names.length}`
    : `${names.length} (${names.join(', ')})`
}
