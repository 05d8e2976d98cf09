import { PROOF_ALGORITHMS } from './proof.ts'

/** RFC 9728 §2: what a protected resource says of itself. */
export interface ProtectedResourceMetadata {
  resource: string
  authorization_servers: string[]
  scopes_supported: string[]
  bearer_methods_supported: ['header']
  dpop_signing_alg_values_supported?: string[]
  dpop_bound_access_tokens_required?: boolean
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** The audience as a resource identifier: an absolute http(s) URL without fragment (RFC 8707 §2). */
function resourceUrl(audience: string): URL | undefined {
  const url = URL.parse(audience)
  if (url === null || !/^https?:$/.test(url.protocol) || url.hash !== '') return undefined
  return url
}

/**
 * Where the metadata of the resource `audience` are (RFC 9728 §3.1: the well-known part goes before
 * the path). Taken from the audience, never from a `Host` header: who sends the request chooses that.
 *
 * @returns undefined for an audience that is no URL: it can have no metadata document.
 */
export function metadataUrl(audience: string): string | undefined {
  const url = resourceUrl(audience)
  if (url === undefined) return undefined
  const path = url.pathname === '/' ? '' : url.pathname
  return `${url.origin}${WELL_KNOWN}${path}${url.search}`
}

/**
 * The document for `/.well-known/oauth-protected-resource`. `resource` is the audience unchanged,
 * because a client compares it character by character (RFC 9728 §3.3).
 *
 * @returns undefined for an audience that is no URL.
 */
export function protectedResourceMetadata(of: {
  audience: string
  issuer: string
  scopes: readonly string[]
  dpop?: 'optional' | 'required' | undefined
}): ProtectedResourceMetadata | undefined {
  if (resourceUrl(of.audience) === undefined) return undefined
  return {
    resource: of.audience,
    authorization_servers: [of.issuer],
    scopes_supported: [...of.scopes],
    bearer_methods_supported: ['header'],
    ...(of.dpop === undefined
      ? {}
      : {
          dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
          dpop_bound_access_tokens_required: of.dpop === 'required',
        }),
  }
}
