import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const JWT = /eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/
const STACK = /\n\s+at .+:\d+:\d+|node_modules\/|file:\/\/\//

/** The one JWT that a browser must be given: the hint of OpenID Connect RP-Initiated Logout §2. */
const LOGOUT_HINT = /id_token_hint=[A-Za-z0-9._-]+/g

/**
 * What in `texts` nobody may ever read: a JWT, one of `secrets`, a stack.
 *
 * @param texts by where they come from, for example `log` or `GET /x`.
 * @returns one line each, without the secret itself.
 */
export function leaksIn(
  texts: readonly { where: string; text: string }[],
  secrets: ReadonlyMap<string, string>,
  { stacks }: { stacks: boolean },
): string[] {
  return texts.flatMap(({ where, text }) => {
    const found: string[] = []
    const rest = text.replace(LOGOUT_HINT, '')
    if (JWT.test(rest)) found.push(`${where}: a JWT`)
    if (stacks && STACK.test(text)) found.push(`${where}: a stack or a path of ours`)
    for (const [secret, name] of secrets) {
      if (secret.length >= 16 && text.includes(secret)) found.push(`${where}: ${name}`)
    }
    return found
  })
}

/** The files of a directory as texts. */
export function filesIn(directory: string): { where: string; text: string }[] {
  return readdirSync(directory).map((name) => ({
    where: name,
    text: readFileSync(join(directory, name), 'latin1'),
  }))
}
