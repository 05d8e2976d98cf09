import { versionOf } from '@audience-bridge/kit/live.ts'
import {
  createTokenVerifier,
  type TokenVerifier,
} from '@audience-bridge/resource-server/verifier.ts'

export const REALM = 'analytics'

/** Whom the service lets in and what they may see, under one version of the settings. Immutable. */
export interface Access {
  version: string
  issuer: string
  audience: string
  readerRoles: readonly string[]
  verifier: TokenVerifier
}

/** @param before keeps its verifier, with the keys it has fetched, where issuer and audience stay. */
export function accessOf(
  { auth, reader_roles }: { auth: { issuer: string; audience: string }; reader_roles: string[] },
  before?: Access,
): Access {
  const { issuer, audience } = auth
  const same = before?.issuer === issuer && before.audience === audience
  return {
    version: versionOf([auth, reader_roles]),
    ...{ issuer, audience },
    readerRoles: reader_roles,
    verifier: same ? before.verifier : createTokenVerifier({ issuer, audience, realm: REALM }),
  }
}
