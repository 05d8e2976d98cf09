import { randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import * as oidc from 'openid-client'
import type { Grant } from '../session/session.ts'
import { mapClaims } from './claims.ts'
import { grantFrom, type IdpAnswer, type IssuedToken, issuedFrom } from './idp-answer.ts'
import type { IdpLink, IdpSettings } from './idp-link.ts'

/* All that the BFF asks of the IdP. An answer of the IdP, also a refusal, is a value. */

/** What must come back with the callback for a login to be completed. */
export interface LoginSecrets {
  state: string
  nonce: string
  codeVerifier: string
  /** Thumbprint of the key that the code is bound to (RFC 9449 §10). */
  jkt?: string
}

export interface SignedIn {
  grant: Grant
  claims: Record<string, unknown>
}

export interface Refreshed {
  grant: Grant
  /** Of the new ID token, where one came. */
  claims: Record<string, unknown> | undefined
}

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

const NO_PAR =
  'it offers no pushed authorization requests (RFC 9126), and every login here begins with one'

export class Idp {
  readonly link: IdpLink

  constructor(link: IdpLink) {
    this.link = link
  }

  get settings(): IdpSettings {
    return this.link.settings
  }

  /** The issuer's metadata (RFC 8414), once it could be read. */
  metadata(): Promise<IdpAnswer<oidc.ServerMetadata>> {
    return this.link.ask(async (configuration) => configuration.serverMetadata())
  }

  /** Pushes an authorization request (RFC 9126) with PKCE S256 and gives where to send the browser. */
  async startLogin(request: {
    redirectUri: string
    scope: string
    resources: readonly string[]
    prompt: string | undefined
  }): Promise<IdpAnswer<{ url: string; secrets: LoginSecrets }>> {
    const secrets: LoginSecrets = {
      state: randomBytes(32).toString('base64url'),
      nonce: randomBytes(32).toString('base64url'),
      codeVerifier: oidc.randomPKCECodeVerifier(),
    }
    const parameters = new URLSearchParams({
      redirect_uri: request.redirectUri,
      scope: request.scope,
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(secrets.codeVerifier),
      code_challenge_method: 'S256',
    })
    if (request.prompt !== undefined) parameters.set('prompt', request.prompt)
    if (this.settings.dpop) {
      // A code that is stolen on its way back is worthless without our key.
      secrets.jkt = (await this.link.rings.dpop.signer()).kid
      parameters.set('dpop_jkt', secrets.jkt)
    }
    for (const resource of request.resources) parameters.append('resource', resource)
    const metadata = await this.metadata()
    if (metadata.kind !== 'ok') return metadata
    // Always: parameters that pass through the browser can be read and changed there. No setting turns
    // it off, so that nobody can.
    if (metadata.value.pushed_authorization_request_endpoint === undefined) {
      return { kind: 'refused', error: 'par_not_offered', description: NO_PAR }
    }
    return this.link.ask(async (configuration) => {
      // An IdP of ours gives the code's token to the one resource named, unless the login's own token,
      // which the other services' are exchanged for, is named beside it.
      const { login_resource: own } = configuration.serverMetadata()
      if (request.resources.length > 0 && typeof own === 'string') {
        parameters.append('resource', own)
      }
      const url = await oidc.buildAuthorizationUrlWithPAR(configuration, parameters)
      return { url: url.href, secrets }
    })
  }

  /** Redeems the code; checks state, `iss` (RFC 9207), nonce and the ID token. */
  completeLogin(callback: URL, secrets: LoginSecrets, now: number): Promise<IdpAnswer<SignedIn>> {
    return this.link.ask(async (configuration) => {
      const bound =
        secrets.jkt === undefined
          ? undefined
          : this.link.dpopBy(configuration, await this.link.rings.dpop.find(secrets.jkt))
      const checks = {
        expectedState: secrets.state,
        expectedNonce: secrets.nonce,
        pkceCodeVerifier: secrets.codeVerifier,
        idTokenExpected: true,
      }
      const response = await oidc.authorizationCodeGrant(configuration, callback, checks, {}, bound)
      return {
        grant: grantFrom(response, undefined, now),
        claims: mapClaims(response.claims() ?? {}, this.settings.claims),
      }
    })
  }

  /** Renews the login's own token; the IdP may rotate the refresh token. */
  refresh(grant: Grant, now: number): Promise<IdpAnswer<Refreshed>> {
    return this.link.ask(async (configuration) => {
      const response = await oidc.refreshTokenGrant(
        configuration,
        grant.refreshToken ?? '',
        {},
        await this.link.dpop(configuration, this.settings.dpop),
      )
      const claims = response.claims()
      return {
        grant: grantFrom(response, grant, now),
        claims: claims === undefined ? undefined : mapClaims(claims, this.settings.claims),
      }
    })
  }

  /** RFC 8707 §2.2: the refresh grant for one resource. Also gives the rotated login grant. */
  refreshForResource(
    grant: Grant,
    resource: string,
    scope: string,
    bound = false,
  ): Promise<IdpAnswer<{ issued: IssuedToken; refreshToken: string | undefined }>> {
    return this.link.ask(async (configuration) => {
      const parameters: Record<string, string> = { resource }
      if (scope !== '') parameters.scope = scope
      const response = await oidc.refreshTokenGrant(
        configuration,
        grant.refreshToken ?? '',
        parameters,
        await this.link.dpop(configuration, bound),
      )
      return { issued: issuedFrom(response), refreshToken: response.refresh_token }
    })
  }

  /**
   * RFC 8693 with `audience`: `empowernow` is no URI, so `resource` would not do.
   *
   * @param bound asks for a token that is bound to our key (RFC 9449).
   */
  exchange(
    subjectToken: string,
    audience: string,
    scope: string,
    bound = false,
  ): Promise<IdpAnswer<IssuedToken>> {
    return this.link.ask(async (configuration) => {
      const parameters: Record<string, string> = {
        subject_token: subjectToken,
        subject_token_type: ACCESS_TOKEN,
        requested_token_type: ACCESS_TOKEN,
        audience,
      }
      if (scope !== '') parameters.scope = scope
      // A bound login token is exchanged with a proof by its own key alone, which may be an old one.
      const jkt = bound ? thumbprintIn(subjectToken) : undefined
      const own = jkt === undefined ? undefined : await this.link.rings.dpop.find(jkt)
      const dpop =
        own === undefined
          ? await this.link.dpop(configuration, bound)
          : this.link.dpopBy(configuration, own)
      return issuedFrom(await oidc.genericGrantRequest(configuration, EXCHANGE, parameters, dpop))
    })
  }

  clientCredentials(
    audience: string,
    scope: string,
    bound = false,
  ): Promise<IdpAnswer<IssuedToken>> {
    return this.link.ask(async (configuration) => {
      const parameters: Record<string, string> = URL.canParse(audience)
        ? { resource: audience }
        : { audience }
      if (scope !== '') parameters.scope = scope
      const dpop = await this.link.dpop(configuration, bound)
      return issuedFrom(await oidc.clientCredentialsGrant(configuration, parameters, dpop))
    })
  }

  /** RFC 7662; for access tokens that are not JWTs. */
  introspect(token: string): Promise<IdpAnswer<oidc.IntrospectionResponse>> {
    return this.link.ask((configuration) => oidc.tokenIntrospection(configuration, token))
  }

  /** RFC 7009. */
  revoke(token: string): Promise<IdpAnswer<void>> {
    return this.link.ask((configuration) => oidc.tokenRevocation(configuration, token))
  }

  /** RP-initiated logout; undefined when the IdP has none. */
  async endSessionUrl(idToken: string, returnTo: string): Promise<IdpAnswer<string | undefined>> {
    return this.link.ask(async (configuration) => {
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined
      return oidc.buildEndSessionUrl(configuration, {
        id_token_hint: idToken,
        post_logout_redirect_uri: returnTo,
      }).href
    })
  }
}

/** The key that a JWT says to be bound to; the IdP checks it. */
function thumbprintIn(token: string): string | undefined {
  try {
    const { cnf } = decodeJwt<{ cnf?: { jkt?: unknown } }>(token)
    return typeof cnf?.jkt === 'string' ? cnf.jkt : undefined
  } catch {
    return undefined
  }
}
