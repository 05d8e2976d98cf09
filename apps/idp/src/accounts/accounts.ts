import { statSync } from 'node:fs'
import { createLive, type LiveStatus, versionOf } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { hashPassword, verifyPassword } from './password.ts'
import { readUsers, type User } from './users-file.ts'

/** The users of the IdP. */
export interface Accounts {
  find(sub: string): User | undefined
  /** The user when name and password fit; nothing tells a wrong name from a wrong password. */
  authenticate(username: string, password: string): Promise<User | undefined>
  status(): LiveStatus
  /** Reads the file now instead of at its next change. */
  reload(): Promise<LiveStatus>
  close(): void
}

interface Users {
  version: string
  bySub: ReadonlyMap<string, User>
  byUsername: ReadonlyMap<string, User>
}

/**
 * Accounts from a YAML file, reread when the file changes. A file that turns malformed, empty or goes
 * away is reported and the users last read stay: an administrator's slip, or an editor that has
 * written the half of it, must not sign everybody out. Who wants no users writes `users: []`.
 *
 * @param gone told of each user who is no longer in the file.
 * @throws Error when the file is malformed at the start; it may be missing.
 */
export async function openAccounts(
  path: string,
  log: Logger,
  gone: (sub: string) => void = () => {},
): Promise<Accounts> {
  // The attack: an unknown name that answers faster than a known one lists the users.
  const dummyHash = await hashPassword('no password fits this')
  /** The file as it was at the last reading, refused ones included. */
  let stamp = stampOf(path)
  let users = readUsers(path)
  if (users === undefined) log.warn({ path }, 'no users file yet: nobody can sign in')
  const live = createLive<Users>({
    first: { value: indexOf(users ?? []), faults: [] },
    read: () => {
      stamp = stampOf(path)
      const now = readUsers(path)
      if (now === undefined && users !== undefined) {
        return { value: undefined, faults: [`the users file ${path} is missing or empty`] }
      }
      users = now
      return { value: indexOf(now ?? []), faults: [] }
    },
    paths: () => [path],
    swapped: (now, before) => {
      for (const sub of before.bySub.keys()) if (!now.bySub.has(sub)) gone(sub)
    },
    log: log.child({ path }),
  })

  return {
    find: (sub) => live.current().bySub.get(sub),
    async authenticate(username, password) {
      // Who was added a moment ago may sign in before the watch has told.
      if (!live.current().byUsername.has(username) && stampOf(path) !== stamp) {
        await live.reload()
      }
      const user = live.current().byUsername.get(username)
      const fits = await verifyPassword(password, user?.password_hash ?? dummyHash)
      return fits ? user : undefined
    },
    status: live.status,
    reload: live.reload,
    close: live.close,
  }
}

function indexOf(users: readonly User[]): Users {
  return {
    version: versionOf(users),
    bySub: new Map(users.map((user) => [user.sub, user])),
    byUsername: new Map(users.map((user) => [user.username, user])),
  }
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? 'missing' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`
}
