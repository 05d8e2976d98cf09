import { randomBytes } from 'node:crypto'
import * as oidc from 'openid-client'
import type { Grant } from '../session/session.ts'

/**
 * All of the BFF's talk with the IdP. Discovery is lazy and repeated until it succeeds, so that the
 * BFF starts and serves without an IdP. An answer of the IdP, also a refusal, is a value.
 */
export interface IdpSettings {
  issuer: string
  clientId: string
  clientSecret: string
  authMethod: 'client_secret_basic' | 'client_secret_post'
  timeoutSeconds: number
  clockToleranceSeconds: number
}

/** The IdP said no: its words, for the log and for administrators. */
export interface IdpRefusal {
  kind: 'refused'
  error: string
  description: string | undefined
}

/** The IdP did not answer, or not with sense. */
export interface IdpAway {
  kind: 'unavailable'
  reason: string
}

export type IdpAnswer<T> = { kind: 'ok'; value: T } | IdpRefusal | IdpAway

/** What a token endpoint gave besides the token itself. */
export interface IssuedToken {
  token: string
  expiresInSeconds: number | undefined
  scope: string | undefined
}

/** What must come back with the callback for a login to be completed. */
export interface LoginSecrets {
  state: string
  nonce: string
  codeVerifier: string
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

export class Idp {
  readonly settings: IdpSettings
  #configuration: Promise<oidc.Configuration> | undefined

  constructor(settings: IdpSettings) {
    this.settings = settings
  }

  /** The issuer's metadata (RFC 8414), once it could be read. */
  metadata(): Promise<IdpAnswer<oidc.ServerMetadata>> {
    return this.#ask(async (configuration) => configuration.serverMetadata())
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
    for (const resource of request.resources) parameters.append('resource', resource)
    return this.#ask(async (configuration) => {
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
    return this.#ask(async (configuration) => {
      const response = await oidc.authorizationCodeGrant(configuration, callback, {
        expectedState: secrets.state,
        expectedNonce: secrets.nonce,
        pkceCodeVerifier: secrets.codeVerifier,
        idTokenExpected: true,
      })
      return {
        grant: grantFrom(response, undefined, now),
        claims: { ...response.claims() },
      }
    })
  }

  /** Renews the login's own token; the IdP may rotate the refresh token. */
  refresh(grant: Grant, now: number): Promise<IdpAnswer<Refreshed>> {
    return this.#ask(async (configuration) => {
      const response = await oidc.refreshTokenGrant(configuration, grant.refreshToken ?? '')
      const claims = response.claims()
      return {
        grant: grantFrom(response, grant, now),
        claims: claims === undefined ? undefined : { ...claims },
      }
    })
  }

  /** RFC 8707 §2.2: the refresh grant for one resource. Also gives the rotated login grant. */
  refreshForResource(
    grant: Grant,
    resource: string,
    scope: string,
  ): Promise<IdpAnswer<{ issued: IssuedToken; refreshToken: string | undefined }>> {
    return this.#ask(async (configuration) => {
      const parameters: Record<string, string> = { resource }
      if (scope !== '') parameters.scope = scope
      const response = await oidc.refreshTokenGrant(
        configuration,
        grant.refreshToken ?? '',
        parameters,
      )
      return { issued: issuedFrom(response), refreshToken: response.refresh_token }
    })
  }

  /** RFC 8693 with `audience`: `empowernow` is no URI, so `resource` would not do. */
  exchange(subjectToken: string, audience: string, scope: string): Promise<IdpAnswer<IssuedToken>> {
    return this.#ask(async (configuration) => {
      const parameters: Record<string, string> = {
        subject_token: subjectToken,
        subject_token_type: ACCESS_TOKEN,
        requested_token_type: ACCESS_TOKEN,
        audience,
      }
      if (scope !== '') parameters.scope = scope
      return issuedFrom(await oidc.genericGrantRequest(configuration, EXCHANGE, parameters))
    })
  }

  clientCredentials(audience: string, scope: string): Promise<IdpAnswer<IssuedToken>> {
    return this.#ask(async (configuration) => {
      const parameters: Record<string, string> = URL.canParse(audience)
        ? { resource: audience }
        : { audience }
      if (scope !== '') parameters.scope = scope
      return issuedFrom(await oidc.clientCredentialsGrant(configuration, parameters))
    })
  }

  /** RFC 7662; for access tokens that are not JWTs. */
  introspect(token: string): Promise<IdpAnswer<oidc.IntrospectionResponse>> {
    return this.#ask((configuration) => oidc.tokenIntrospection(configuration, token))
  }

  /** RFC 7009. */
  revoke(token: string): Promise<IdpAnswer<void>> {
    return this.#ask((configuration) => oidc.tokenRevocation(configuration, token))
  }

  /** RP-initiated logout; undefined when the IdP has none. */
  async endSessionUrl(idToken: string, returnTo: string): Promise<IdpAnswer<string | undefined>> {
    return this.#ask(async (configuration) => {
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined
      return oidc.buildEndSessionUrl(configuration, {
        id_token_hint: idToken,
        post_logout_redirect_uri: returnTo,
      }).href
    })
  }

  #discover(): Promise<oidc.Configuration> {
    const { settings } = this
    const issuer = new URL(settings.issuer)
    const authenticate =
      settings.authMethod === 'client_secret_post'
        ? oidc.ClientSecretPost(settings.clientSecret)
        : oidc.ClientSecretBasic(settings.clientSecret)
    return oidc
      .discovery(
        issuer,
        settings.clientId,
        {
          client_secret: settings.clientSecret,
          [oidc.clockTolerance]: settings.clockToleranceSeconds,
        },
        authenticate,
        {
          timeout: settings.timeoutSeconds,
          // Tokens in the clear are for one's own machine alone; the settings refuse other http issuers.
          execute: issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [],
        },
      )
      .then((configuration) => {
        configuration.timeout = settings.timeoutSeconds
        return configuration
      })
  }

  async #ask<T>(
    question: (configuration: oidc.Configuration) => Promise<T>,
  ): Promise<IdpAnswer<T>> {
    try {
      this.#configuration ??= this.#discover()
      let configuration: oidc.Configuration
      try {
        configuration = await this.#configuration
      } catch (cause) {
        this.#configuration = undefined
        return { kind: 'unavailable', reason: `discovery failed: ${reasonOf(cause)}` }
      }
      return { kind: 'ok', value: await question(configuration) }
    } catch (cause) {
      return answerFrom(cause)
    }
  }
}

/** Tells a refusal from an absence by the response that came, if one came. */
function answerFrom(cause: unknown): IdpRefusal | IdpAway {
  if (cause instanceof oidc.ResponseBodyError && cause.status < 500) {
    return { kind: 'refused', error: cause.error, description: cause.error_description }
  }
  if (cause instanceof oidc.AuthorizationResponseError) {
    return { kind: 'refused', error: cause.error, description: cause.error_description }
  }
  if (cause instanceof oidc.WWWAuthenticateChallengeError && cause.status < 500) {
    const parameters = cause.cause[0]?.parameters
    return {
      kind: 'refused',
      error: parameters?.error ?? `HTTP ${cause.status}`,
      description: parameters?.error_description,
    }
  }
  // A response that fails validation (nonce, iss, ID token) is a refusal on our side.
  if (cause instanceof oidc.ClientError && !isNetworkFailure(cause)) {
    return { kind: 'refused', error: cause.code ?? 'invalid_response', description: cause.message }
  }
  return { kind: 'unavailable', reason: reasonOf(cause) }
}

function isNetworkFailure(error: oidc.ClientError): boolean {
  if (error.code === 'OAUTH_TIMEOUT' || error.code === 'OAUTH_ABORT') return true
  const response = error.cause
  return response instanceof Response
    ? response.status >= 500
    : error.code === 'OAUTH_RESPONSE_IS_NOT_CONFORM'
}

/** The deepest message of a failure: `fetch failed` says nothing, its cause does. */
function reasonOf(cause: unknown): string {
  let message = 'unknown failure'
  for (let at = cause, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at.message !== '') message = at.message
    else if ('code' in at && typeof at.code === 'string') message = at.code
  }
  return message
}

type TokenResponse = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

/** A provider that does not rotate or does not repeat a value leaves the earlier one in force. */
function grantFrom(response: TokenResponse, earlier: Grant | undefined, now: number): Grant {
  const scopes = response.scope?.split(' ') ?? earlier?.scopes ?? []
  return {
    accessToken: response.access_token,
    accessExpiresAt: now + (response.expiresIn() ?? 300),
    refreshToken: response.refresh_token ?? earlier?.refreshToken,
    refreshExpiresAt: refreshEnd(response, earlier, now),
    idToken: response.id_token ?? earlier?.idToken ?? '',
    scopes,
  }
}

/** No standard names it; `refresh_expires_in` is Keycloak's, the other everybody else's. */
function refreshEnd(response: TokenResponse, earlier: Grant | undefined, now: number) {
  const seconds = response.refresh_token_expires_in ?? response.refresh_expires_in
  if (typeof seconds === 'number' && seconds > 0) return now + seconds
  return response.refresh_token === undefined ? earlier?.refreshExpiresAt : undefined
}

function issuedFrom(response: TokenResponse): IssuedToken {
  return {
    token: response.access_token,
    expiresInSeconds: response.expiresIn(),
    scope: response.scope,
  }
}
