import { BearerVerifiers } from './bearer.ts'
import { Idp } from './idp.ts'
import type { SigningRings } from './idp-auth.ts'
import type { IdpObserver } from './idp-fetch.ts'
import { createKeyReader } from './idp-keys.ts'
import { IdpLink, type IdpSettings } from './idp-link.ts'
import { createInspector, type Inspection } from './inspect.ts'
import { createLogoutVerifier, type LogoutVerdict } from './logout-token.ts'

/** The BFF's tie to one IdP under one set of settings: metadata and keys are read once and kept. */
export interface IdpConnection {
  idp: Idp
  inspect: (token: string) => Promise<Inspection>
  bearers: BearerVerifiers
  readLogoutToken: (token: string, now: number) => Promise<LogoutVerdict>
}

/** Gives the connection for the settings of now; a new one only when they have changed. */
export function followIdp(
  settingsOfNow: () => IdpSettings,
  rings: SigningRings,
  observer: IdpObserver,
): () => IdpConnection {
  let known = ''
  let lastSettings: IdpSettings | undefined
  let connection: IdpConnection | undefined
  return () => {
    const settings = settingsOfNow()
    if (connection !== undefined && settings === lastSettings) return connection
    lastSettings = settings
    const key = JSON.stringify(settings)
    if (connection === undefined || key !== known) {
      known = key
      const idp = new Idp(new IdpLink(settings, rings, observer))
      const readKeys = createKeyReader(idp)
      connection = {
        idp,
        inspect: createInspector(idp, readKeys),
        bearers: new BearerVerifiers(idp),
        readLogoutToken: createLogoutVerifier(settings, readKeys),
      }
    }
    return connection
  }
}
