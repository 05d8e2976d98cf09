import { renderChallenge } from '@audience-bridge/resource-server/challenge.ts'
import { metadataUrl } from '@audience-bridge/resource-server/metadata.ts'
import {
  createTokenVerifier,
  type TokenVerifier,
  type Verification,
} from '@audience-bridge/resource-server/verifier.ts'
import type { BffConfig } from '../config.ts'
import type { BearerSource } from '../idps.ts'
import { mapClaims, principalOf } from './claims.ts'
import type { IdpSettings } from './idp-link.ts'
import { unverifiedIssuer } from './issuer.ts'
import { userFrom } from './user.ts'

/** The way to an IdP whose client we are: with our certificate, and its rests; undefined for others. */
type FetchOf = (issuer: string) => typeof fetch | undefined

/**
 * Verifies the tokens that callers of `auth: bearer` routes present, one verifier for an issuer and
 * an audience: a token for one backend must not open the gateway's way to another (design rule 5),
 * nor one issuer's what is another's. What a token says of its issuer is believed only to choose who
 * must have signed it; nothing is ever fetched from an issuer that is not configured. An opaque
 * token names no issuer and is refused.
 */
export class BearerVerifiers {
  readonly #sources: readonly BearerSource[]
  readonly #options: Pick<IdpSettings, 'clockToleranceSeconds' | 'timeoutSeconds'>
  readonly #fetchOf: FetchOf
  readonly #verifiers = new Map<string, TokenVerifier>()

  constructor(
    sources: readonly BearerSource[],
    options: Pick<IdpSettings, 'clockToleranceSeconds' | 'timeoutSeconds'>,
    fetchOf: FetchOf,
  ) {
    this.#sources = sources
    this.#options = options
    this.#fetchOf = fetchOf
  }

  async verify(authorization: string | undefined, audience: string): Promise<Verification> {
    const fitting = this.#sources.filter((one) => (one.audience ?? audience) === audience)
    const issuer =
      fitting.length > 1
        ? unverifiedIssuer((authorization ?? '').replace(/^Bearer +/i, ''))
        : undefined
    // What names no issuer is no token of anybody: any verifier says so.
    const source = issuer === undefined ? fitting[0] : fitting.find((one) => one.issuer === issuer)
    if (source === undefined) return refuse(audience)
    const verification = await this.#verifierOf(source, audience).verify(authorization)
    if (verification.kind !== 'verified') return verification
    const { token } = verification
    const { claims, provider } = source
    const roles = claims ? userFrom(mapClaims(token.claims, claims)).roles : token.roles
    const subject = principalOf(provider, token.subject)
    return { kind: 'verified', token: { ...token, roles, subject } }
  }

  #verifierOf({ issuer, jwksUrl }: BearerSource, audience: string): TokenVerifier {
    const key = JSON.stringify([issuer, audience])
    let verifier = this.#verifiers.get(key)
    if (verifier === undefined) {
      const fetchFrom = this.#fetchOf(issuer)
      verifier = createTokenVerifier({
        issuer,
        audience,
        jwksUri: jwksUrl,
        clockToleranceSeconds: this.#options.clockToleranceSeconds,
        timeoutMs: this.#options.timeoutSeconds * 1000,
        ...(fetchFrom === undefined ? {} : { fetch: fetchFrom }),
      })
      this.#verifiers.set(key, verifier)
    }
    return verifier
  }
}

/** The verifiers for the configuration of now, which keep the keys that they have read. */
export function followBearers(
  config: () => Pick<BffConfig, 'bearerSources' | 'idp' | 'idps'>,
  fetchOf: FetchOf,
): () => BearerVerifiers {
  let known = ''
  let seen: unknown
  let verifiers = new BearerVerifiers([], config().idp, fetchOf)
  return () => {
    const now = config()
    if (now === seen) return verifiers
    seen = now
    const { clockToleranceSeconds, timeoutSeconds } = now.idp
    const options = { clockToleranceSeconds, timeoutSeconds }
    const key = JSON.stringify([now.bearerSources, options, now.idps])
    if (key !== known) verifiers = new BearerVerifiers(now.bearerSources, options, fetchOf)
    known = key
    return verifiers
  }
}

function refuse(audience: string): Verification {
  const error = 'invalid_token'
  const reason = 'issuer'
  const description = 'the token is of no issuer that is configured for this audience'
  const resourceMetadata = metadataUrl(audience)
  const challenge = renderChallenge({ error, reason, description, resourceMetadata })
  return { kind: 'refused', status: 401, error, reason, description, challenge }
}
