import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import type Provider from 'oidc-provider'
import { errors, type TokenEndpointGrantContext } from 'oidc-provider'
import {
  checkDpopReplay,
  checkDpopRequired,
  type DPoPValidationResult,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js'
import { deriveSecret, type Keys } from './keys.ts'

/* Tokens that are bound to a key (DPoP, RFC 9449): the library's checks, also for what is ours. */

export function dpopFeature({ dpop }: IdpSettings['token'], keys: Keys) {
  return {
    enabled: true,
    // Derived, not random: a nonce is good at every process of this IdP and after a restart.
    nonceSecret: deriveSecret(keys, 'dpop nonces'),
    requireNonce: () => dpop.require_nonce,
  }
}

/** The proof of a token request, of which `claimProof` must follow; undefined without one. */
export async function readProof(
  provider: Provider,
  ctx: TokenEndpointGrantContext,
): Promise<DPoPValidationResult | undefined> {
  const proof = await validateDpop(provider, ctx)
  checkDpopRequired(provider, ctx, proof, errors.InvalidDpopProof)
  return proof
}

/** The attack: a proof that was seen on its way is sent once more. It is good for one request. */
export async function claimProof(
  provider: Provider,
  ctx: TokenEndpointGrantContext,
  proof: DPoPValidationResult | undefined,
): Promise<void> {
  const { clientId } = ctx.oidc.client
  await checkDpopReplay(provider, ctx, proof, clientId, errors.InvalidDpopProof)
}

export type ProofResult =
  | { kind: 'proven'; thumbprint: string }
  | { kind: 'refused'; error: string; description: string }

/** Whether a request to an endpoint of our own proves a key; `token` is the one that it comes with. */
export type VerifyProof = (
  req: IncomingMessage,
  res: ServerResponse,
  token: { value: string; clientId: string },
) => Promise<ProofResult>

export function proofVerifier(provider: Provider, url: string): VerifyProof {
  return async (req, res, token) => {
    const request = {
      method: req.method,
      get: (name: string) => String(req.headers[name.toLowerCase()] ?? ''),
      set: (name: string, value: string) => res.setHeader(name, value),
      assert: (holds: unknown, error: Error) => {
        if (!holds) throw error
      },
      oidc: { provider, route: url, urlFor: (route: string) => route },
    }
    const ctx = request as unknown as TokenEndpointGrantContext
    try {
      const proof = await validateDpop(provider, ctx, token.value)
      if (proof === undefined) throw new errors.InvalidDpopProof('send a DPoP proof')
      const { clientId } = token
      await checkDpopReplay(provider, ctx, proof, clientId, errors.InvalidDpopProof)
      return { kind: 'proven', thumbprint: proof.thumbprint }
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error
      const description = error.error_description ?? 'the proof cannot be used'
      return { kind: 'refused', error: error.error, description }
    }
  }
}
