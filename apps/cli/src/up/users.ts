import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readDocument } from '@audience-bridge/chain/document.ts'
import { idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import { CouldNotRun, FAULTS_FOUND } from '../outcome.ts'

export interface DemoUser {
  sub: string
  username: string
  password: string
  name: string
  email: string
  roles: string[]
}

const PEOPLE = [
  { username: 'ada', name: 'Ada Admin (synthetic)', roles: ['admin'] },
  { username: 'ana', name: 'Ana Analyst (synthetic)', roles: ['analyst'] },
  { username: 'ben', name: 'Ben Member (synthetic)', roles: ['member'] },
  { username: 'eve', name: 'Eve Member (synthetic)', roles: ['member'] },
]

/** The demo's users, made once with passwords of their own and made known to the IdP. */
export async function addDemoUsers(
  root: string,
  env: Record<string, string | undefined>,
  path: string,
): Promise<DemoUser[]> {
  if (!existsSync(path)) {
    const made = PEOPLE.map(({ username, name, roles }) => ({
      sub: `demo-${username}`,
      username,
      password: newPassword(),
      name,
      email: `${username}@example.com`,
      roles,
    }))
    writeFileSync(path, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 })
  }
  const users = JSON.parse(readFileSync(path, 'utf8')) as DemoUser[]
  await giveToIdp(root, usersFile(env), users, env)
  return users
}

function usersFile(env: Record<string, string | undefined>): string {
  const file = join(env.BRIDGE_CONFIG ?? '', 'IdP/config/settings.yaml')
  const { value } = readDocument({ file, text: readFileSync(file, 'utf8') }, idpSettingsSchema, env)
  if (value === undefined) throw new CouldNotRun(`${file} is malformed`, FAULTS_FOUND)
  return value.accounts.users
}

async function giveToIdp(
  root: string,
  file: string,
  users: DemoUser[],
  env: Record<string, string | undefined>,
): Promise<void> {
  const child = spawn(process.execPath, [join(root, 'apps/idp/src/add-users.ts'), file], {
    cwd: root,
    env,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stdin.end(JSON.stringify(users))
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new CouldNotRun(`the users could not be made:\n${output}`, FAULTS_FOUND)
}

/** Three syllable groups: 50 bits, and a person can type it. */
function newPassword(): string {
  const consonants = 'bdfgklmnprstvz'
  const vowels = 'aeiou'
  const pick = (letters: string) => letters[randomInt(letters.length)] ?? ''
  const syllable = () => pick(consonants) + pick(vowels)
  const group = () => syllable() + syllable() + syllable()
  return [group(), group(), group()].join('-')
}
