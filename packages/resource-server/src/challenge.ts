/**
 * Why a token was refused, for machines: `error="invalid_token"` is the same for a dozen causes with
 * a dozen mends. An extension parameter of the challenge (RFC 9110 §11.2 lets a recipient ignore it).
 * The values are API: never rename or reuse one.
 */
export type RefusalReason =
  /** `aud` is not exactly this service. */
  | 'audience'
  | 'issuer'
  /** Signed with a key that the issuer does not publish, as far as this service has read. */
  | 'key_unknown'
  | 'signature'
  | 'expired'
  | 'not_yet_valid'
  /** No access token, or one that is bound to a key and came as a bearer, or the other way round. */
  | 'type'
  /** The sender did not prove to hold the key that the token is bound to. */
  | 'proof'
  /** No signed JWT with the claims that it must have, or no single token. */
  | 'malformed'

export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  /** RFC 9449 §7.1, §9. */
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'

/** What a 401 or 403 says in `WWW-Authenticate` (RFC 6750 §3, RFC 9728 §5.1, RFC 9449 §7.1). */
export interface Challenge {
  scheme?: 'Bearer' | 'DPoP' | undefined
  realm?: string | undefined
  /** Absent when the request carried no credentials at all (RFC 6750 §3.1). */
  error?: ChallengeError | undefined
  description?: string | undefined
  reason?: RefusalReason | undefined
  /** The scope that would do; the least one where several would. */
  scope?: string | undefined
  /** Where the protected resource's metadata are. */
  resourceMetadata?: string | undefined
  /** What a proof may be signed with; of the scheme `DPoP`. */
  algorithms?: readonly string[] | undefined
}

const DESCRIPTION_CHARS = 400

/**
 * Text for the inside of a quoted string: the characters RFC 6750 §3 allows in `error_description`.
 * A claim's value may reach it, and a quote, a backslash or a line break there would forge
 * parameters or whole headers.
 */
function quotable(text: string): string {
  return text
    .slice(0, DESCRIPTION_CHARS)
    .replaceAll('"', "'")
    .replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?')
}

/** One challenge of `WWW-Authenticate`. */
export function renderChallenge(challenge: Challenge): string {
  const parameters: [string, string | undefined][] = [
    ['realm', challenge.realm],
    ['error', challenge.error],
    ['error_description', challenge.description],
    ['reason', challenge.reason],
    ['scope', challenge.scope],
    ['resource_metadata', challenge.resourceMetadata],
    ['algs', challenge.algorithms?.join(' ')],
  ]
  const rendered = parameters.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${quotable(value)}"`],
  )
  const scheme = challenge.scheme ?? 'Bearer'
  return rendered.length === 0 ? scheme : `${scheme} ${rendered.join(', ')}`
}
