import { Idp } from './idp.ts'
import type { SigningRings } from './idp-auth.ts'
import type { IdpObserver } from './idp-fetch.ts'
import { createKeyReader } from './idp-keys.ts'
import { IdpLink, type IdpSettings } from './idp-link.ts'
import { createInspector, type Inspection } from './inspect.ts'
import { unverifiedIssuer } from './issuer.ts'
import { createLogoutVerifier, type LogoutVerdict } from './logout-token.ts'

/** The BFF's tie to one IdP under one set of settings: metadata and keys are read once and kept. */
export interface IdpConnection {
  idp: Idp
  inspect: (token: string) => Promise<Inspection>
  readLogoutToken: (token: string, now: number) => Promise<LogoutVerdict>
}

/**
 * One connection for each IdP, found by its issuer, under the settings of now; a new one only for
 * the IdP whose settings have changed.
 */
export class Connections {
  readonly #settingsOfNow: () => readonly IdpSettings[]
  #settings: readonly IdpSettings[] = []
  #known = new Map<string, { key: string; connection: IdpConnection }>()
  readonly #retired = new Map<string, IdpConnection>()

  readonly #rings: SigningRings
  readonly #observer: IdpObserver

  /** @param settingsOfNow of every IdP where users sign in, each issuer once. */
  constructor(
    settingsOfNow: () => readonly IdpSettings[],
    rings: SigningRings,
    observer: IdpObserver,
  ) {
    this.#settingsOfNow = settingsOfNow
    this.#rings = rings
    this.#observer = observer
  }

  fetchOf(issuer: string): typeof fetch | undefined {
    this.#follow()
    return this.#known.get(issuer)?.connection.idp.link.fetch
  }

  /** @returns for an issuer that is configured no longer, a connection that answers nothing and ends no session. */
  of(issuer: string): IdpConnection {
    this.#follow()
    const connection = this.#known.get(issuer)?.connection
    return connection ?? this.#retiredOf(issuer)
  }

  /** What an order to sign somebody out says; its `iss` is believed only to choose who must have signed it. */
  async readLogoutToken(token: string, now: number): Promise<LogoutVerdict> {
    this.#follow()
    const connection = this.#known.get(unverifiedIssuer(token) ?? '')?.connection
    if (connection === undefined) return { kind: 'invalid', reason: 'its issuer is not configured' }
    return connection.readLogoutToken(token, now)
  }

  #follow(): void {
    const settings = this.#settingsOfNow()
    if (settings === this.#settings) return
    this.#settings = settings
    const before = this.#known
    this.#known = new Map(
      settings.map((one) => {
        const key = JSON.stringify(one)
        const known = before.get(one.issuer)
        return [one.issuer, known?.key === key ? known : { key, connection: this.#connect(one) }]
      }),
    )
  }

  #retiredOf(issuer: string): IdpConnection {
    const known = this.#retired.get(issuer)
    if (known !== undefined) return known
    const connection = this.#connect(retiredSettings(issuer), true)
    this.#retired.set(issuer, connection)
    return connection
  }

  #connect(settings: IdpSettings, retired = false): IdpConnection {
    const idp = new Idp(new IdpLink(settings, this.#rings, this.#observer, retired))
    const readKeys = createKeyReader(idp)
    return {
      idp,
      inspect: createInspector(idp, readKeys),
      readLogoutToken: createLogoutVerifier(settings, readKeys),
    }
  }
}

/** Of an IdP that is never asked anything. */
const retiredSettings = (issuer: string): IdpSettings => ({
  issuer,
  clientId: '',
  authMethod: 'private_key_jwt',
  clientSecret: undefined,
  tls: undefined,
  dpop: false,
  timeoutSeconds: 1,
  clockToleranceSeconds: 0,
  claims: undefined,
  provider: undefined,
})
