import { decideAudience, OIDC_SCOPES } from '@audience-bridge/chain/audience-policy.ts'
import type { ScopeMapping } from '@audience-bridge/chain/idp-settings.ts'
import { chooseTarget, type Refusal, splitScope } from './resources.ts'

export interface MachinePolicy {
  clientId: string
  /** `scopes` of the client: without a user they are what is granted. */
  scopes: readonly string[]
  allowed: readonly string[]
  mappings: readonly ScopeMapping[]
  /** Taken when the request names neither audience nor resource. */
  defaultAudience: string
}

export type MachineDecision = { kind: 'granted'; audience: string; scopes: string[] } | Refusal

/** Decides a machine's own token (RFC 6749 §4.4) under the same audience rule as a user's. */
export function decideMachineToken(
  params: { audience?: unknown; resource?: unknown; scope?: unknown },
  policy: MachinePolicy,
): MachineDecision {
  const target = chooseTarget(params)
  if (target.kind === 'refused') return target
  const audience = target.kind === 'target' ? target.audience : policy.defaultAudience

  const decision = decideAudience(policy.mappings, {
    clientId: policy.clientId,
    allowed: policy.allowed,
    granted: policy.scopes.filter((scope) => !OIDC_SCOPES.has(scope)),
    audience,
    requested: splitScope(params.scope),
  })
  if (decision.kind === 'granted') return { kind: 'granted', audience, scopes: decision.scopes }
  if (target.kind === 'target') return decision
  return {
    ...decision,
    description: `${decision.description} (the default: the request names neither audience nor resource)`,
  }
}
