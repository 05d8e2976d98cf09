import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CouldNotRun } from '../outcome.ts'
import type { CliVisitor, SignIn } from './visitor.ts'

/** Options of the verbs that act as a user. */
export const SIGN_IN_OPTIONS = {
  user: { type: 'string' },
  'password-file': { type: 'string' },
  'cookie-file': { type: 'string' },
} as const

interface SignInValues {
  user?: string | undefined
  'password-file'?: string | undefined
  'cookie-file'?: string | undefined
}

/**
 * Gives the visitor a session: one that is there already, or one by the real flow.
 *
 * @param verb begins the correlation id of the sign-in, for `bridge explain`.
 * @throws CouldNotRun when neither was named, or its file cannot be read.
 */
export async function signInWith(
  visitor: CliVisitor,
  values: SignInValues,
  verb: string,
): Promise<SignIn> {
  const { user, 'password-file': passwordFile, 'cookie-file': cookieFile } = values
  if (cookieFile !== undefined) {
    visitor.useCookies(readGiven('--cookie-file', cookieFile))
    return { kind: 'signed_in' }
  }
  if (user === undefined || passwordFile === undefined) {
    throw new CouldNotRun(
      'give --user U and --password-file F, or --cookie-file F with the Cookie and User-Agent headers of a session',
    )
  }
  const password = readGiven('--password-file', passwordFile).replace(/\r?\n$/, '')
  const id = `${verb}-${randomUUID()}`
  const signedIn = await visitor.signIn(user, password, id)
  return signedIn.kind === 'signed_in'
    ? signedIn
    : { ...signedIn, correlationId: signedIn.correlationId ?? id }
}

function readGiven(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CouldNotRun(`cannot read ${option} ${file}: ${(cause as Error).message}`)
  }
}
