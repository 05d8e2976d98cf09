import { randomUUID } from 'node:crypto'
import {
  type ScopeUsageResponse,
  scopeUsageResponse,
} from '@audience-bridge/contracts/analytics.ts'
import { CouldNotRun } from '../outcome.ts'
import type { CliVisitor } from './visitor.ts'

const PATH = '/api/v1/analytics/scope-usage'
/** The most that one answer holds. */
const LIMIT = 1000

/**
 * Asks through the BFF, with the visitor's session, which scopes calls needed since `from`.
 *
 * @throws CouldNotRun when there is no such answer, or it would not be about everybody's calls.
 */
export async function readScopeUsage(visitor: CliVisitor, from: Date): Promise<ScopeUsageResponse> {
  const id = `narrow-${randomUUID()}`
  const response = await visitor.fetch(`${PATH}?from=${from.toISOString()}&limit=${LIMIT}`, {
    headers: { 'x-correlation-id': id },
  })
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) {
    const { code, detail } = (body ?? {}) as Record<string, unknown>
    throw new CouldNotRun(
      `${PATH} answers ${response.status} ${code ?? ''}: ${detail ?? 'no problem document'}; more: bridge explain ${id}`,
    )
  }
  const parsed = scopeUsageResponse.safeParse(body)
  if (!parsed.success) {
    throw new CouldNotRun(
      `${PATH} answers something else than scope usage; is it an older service?`,
    )
  }
  // From the calls of one person alone, everybody else's would be cut off.
  if (parsed.data.view !== 'all') {
    throw new CouldNotRun(
      'this user sees only the own calls; sign in as one with a role of reader_roles of the analytics service',
    )
  }
  return parsed.data
}
