import {
  createTokenVerifier,
  type TokenVerifier,
} from '@audience-bridge/resource-server/verifier.ts'

/** Whose tokens the service takes. Immutable: requests under way keep the one they began with. */
export interface TokenCheck {
  issuer: string
  audience: string
  verifier: TokenVerifier
}

/** @param before kept, with the keys that its verifier has fetched, where it says the same. */
export function tokenCheckOf(
  { issuer, audience }: { issuer: string; audience: string },
  before?: TokenCheck,
): TokenCheck {
  if (before?.issuer === issuer && before.audience === audience) return before
  return { issuer, audience, verifier: createTokenVerifier({ issuer, audience, realm: 'crud' }) }
}
