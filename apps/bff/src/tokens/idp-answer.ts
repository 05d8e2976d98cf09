import * as oidc from 'openid-client'
import type { Grant } from '../session/session.ts'

/* What the IdP's answers mean: a refusal, an absence, a grant. */

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
  /** In how many seconds it is worth asking again, where that is known. */
  retryAfterSeconds?: number
}

export type IdpAnswer<T> = { kind: 'ok'; value: T } | IdpRefusal | IdpAway

/** What a token endpoint gave besides the token itself. */
export interface IssuedToken {
  token: string
  expiresInSeconds: number | undefined
  scope: string | undefined
}

/** Signing for the IdP was not possible, for a reason that is not the IdP's: the cause is thrown on. */
export class CannotSign extends TypeError {}

/** Tells a refusal from an absence by the response that came, if one came. */
export function answerFrom(cause: unknown): IdpRefusal | IdpAway {
  if (cause instanceof oidc.ResponseBodyError && isRefusal(cause.status)) {
    return { kind: 'refused', error: cause.error, description: cause.error_description }
  }
  if (cause instanceof oidc.AuthorizationResponseError) {
    return { kind: 'refused', error: cause.error, description: cause.error_description }
  }
  if (cause instanceof oidc.WWWAuthenticateChallengeError && isRefusal(cause.status)) {
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

/** An IdP that has too much to do has not said no. */
const isRefusal = (status: number) => status < 500 && status !== 429

function isNetworkFailure(error: oidc.ClientError): boolean {
  if (error.code === 'OAUTH_TIMEOUT' || error.code === 'OAUTH_ABORT') return true
  const response = error.cause
  return response instanceof Response
    ? !isRefusal(response.status)
    : error.code === 'OAUTH_RESPONSE_IS_NOT_CONFORM'
}

/** The deepest message of a failure: `fetch failed` says nothing, its cause does. */
export function reasonOf(cause: unknown): string {
  let message = 'unknown failure'
  for (let at = cause, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at.message !== '') message = at.message
    else if ('code' in at && typeof at.code === 'string') message = at.code
  }
  return message
}

export type TokenResponse = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

/** A provider that does not rotate or does not repeat a value leaves the earlier one in force. */
export function grantFrom(response: TokenResponse, earlier: Grant | undefined, now: number): Grant {
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

export function issuedFrom(response: TokenResponse): IssuedToken {
  return {
    token: response.access_token,
    expiresInSeconds: response.expiresIn(),
    scope: response.scope,
  }
}
