import { createHash } from 'node:crypto'
import type { AnalyticsSettings } from '@audience-bridge/chain/analytics-settings.ts'
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
  { auth, reader_roles }: Pick<AnalyticsSettings, 'auth' | 'reader_roles'>,
  before?: Access,
): Access {
  const { issuer, audience } = auth
  const same = before?.issuer === issuer && before.audience === audience
  return {
    version: createHash('sha256')
      .update(JSON.stringify([auth, reader_roles]))
      .digest('hex')
      .slice(0, 12),
    ...{ issuer, audience },
    readerRoles: reader_roles,
    verifier: same ? before.verifier : createTokenVerifier({ issuer, audience, realm: REALM }),
  }
}
