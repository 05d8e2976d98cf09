import { quote } from '@audience-bridge/chain/audience-policy.ts'

/* What a token request asks for, read from its parameters; pure. */

export interface Refusal {
  kind: 'refused'
  error: 'invalid_target' | 'invalid_scope' | 'invalid_request' | 'invalid_grant'
  /** Public: becomes `error_description`. */
  description: string
}

export type TargetChoice = { kind: 'target'; audience: string } | { kind: 'none' } | Refusal

/**
 * The one audience that a token request names with `audience` (RFC 8693 §2.1, any string) or
 * `resource` (RFC 8707 §2, an absolute URI without a fragment). Two different ones are refused:
 * a token that two backends accept lets each of them act at the other.
 */
export function chooseTarget(params: { audience?: unknown; resource?: unknown }): TargetChoice {
  const audiences = texts(params.audience)
  const resources = texts(params.resource)
  for (const resource of resources) {
    const url = URL.parse(resource)
    if (url === null || resource.includes('#')) {
      return refuse(
        'invalid_target',
        `resource ${quote(resource)} is not an absolute URI without a fragment; use audience`,
      )
    }
  }
  const [audience, ...others] = new Set([...audiences, ...resources])
  if (audience === undefined) return { kind: 'none' }
  if (others.length > 0) {
    return refuse(
      'invalid_target',
      'a token has exactly one audience: name one audience or resource',
    )
  }
  return { kind: 'target', audience }
}

/** Scopes as OAuth writes them; undefined when none is named. */
export function splitScope(scope: unknown): string[] | undefined {
  if (typeof scope !== 'string') return undefined
  const scopes = scope.split(' ').filter((item) => item !== '')
  return scopes.length === 0 ? undefined : scopes
}

export function refuse(error: Refusal['error'], description: string): Refusal {
  return { kind: 'refused', error, description }
}

function texts(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter(
    (item): item is string => typeof item === 'string' && item !== '',
  )
}
