import { statSync } from 'node:fs'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { hashPassword, verifyPassword } from './password.ts'
import { readUsers, type User } from './users-file.ts'

/** The users of the IdP. */
export interface Accounts {
  find(sub: string): User | undefined
  /** The user when name and password fit; nothing tells a wrong name from a wrong password. */
  authenticate(username: string, password: string): Promise<User | undefined>
}

/**
 * Accounts from a YAML file, reread when the file changes (seen at the next look-up). A file that
 * turns malformed is logged and the users last read stay: an administrator's slip must not sign
 * everybody out.
 *
 * @throws Error when the file is malformed at the start.
 */
export async function openAccounts(path: string, log: Logger): Promise<Accounts> {
  // The attack: an unknown name that answers faster than a known one lists the users.
  const dummyHash = await hashPassword('no password fits this')
  let seen = stampOf(path)
  let users = index(path)
  if (seen === 'missing') log.warn({ path }, 'no users file yet: nobody can sign in')

  const refresh = () => {
    const stamp = stampOf(path)
    if (stamp === seen) return
    seen = stamp
    try {
      users = index(path)
      log.info({ path, users: users.bySub.size }, 'users reread')
    } catch (err) {
      log.error({ path, err }, 'users file malformed: the users last read stay')
    }
  }

  return {
    find(sub) {
      refresh()
      return users.bySub.get(sub)
    },
    async authenticate(username, password) {
      refresh()
      const user = users.byUsername.get(username)
      const fits = await verifyPassword(password, user?.password_hash ?? dummyHash)
      return fits ? user : undefined
    },
  }
}

function index(path: string) {
  const users = readUsers(path) ?? []
  return {
    bySub: new Map(users.map((user) => [user.sub, user])),
    byUsername: new Map(users.map((user) => [user.username, user])),
  }
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? 'missing' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`
}
