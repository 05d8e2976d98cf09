import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { hashPassword } from '@audience-bridge/idp/accounts/password.ts'
import { writeUsers } from '@audience-bridge/idp/accounts/users-file.ts'

/** Who can sign in at a test's IdP. */
export const USERS = {
  admin: { username: 'ada', password: 'correct horse ada', roles: ['admin'] },
  member: { username: 'ben', password: 'correct horse ben', roles: ['member'] },
} as const

/** Hashing is slow by design: once for all tests of this process. */
const hashes = new Map<string, Promise<string>>()

export async function makeUsers(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true })
  const users = Object.values(USERS).map(async ({ username, password, roles }) => {
    const hash = hashes.get(password) ?? hashPassword(password)
    hashes.set(password, hash)
    return {
      sub: `user-${username}`,
      username,
      name: `Test ${username}`,
      email: `${username}@example.com`,
      roles: [...roles],
      password_hash: await hash,
    }
  })
  writeUsers(path, await Promise.all(users))
}
