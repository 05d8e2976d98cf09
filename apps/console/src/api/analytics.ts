import type {
  AnomalousAccessPatternsResponse,
  AuthorizationMetricsResponse,
  WorkflowsResponse,
} from '@audience-bridge/contracts/analytics.ts'
import { keepPreviousData, queryOptions, type UseQueryResult } from '@tanstack/react-query'
import { type Range, windowOf } from '../range.ts'
import { getJson } from './client.ts'

const BASE = '/api/v1/analytics'
const POLL_MS = 15_000
const ROWS = '200'

/** Whose figures, over which time, and whether they should keep moving. */
export type Asked = { subject: string; range: Range; live: boolean }

export function workflowsQuery(asked: Asked) {
  return query<WorkflowsResponse>('workflows', asked, ({ interval }) => ({
    interval,
    limit: ROWS,
  }))
}

export function authorizationQuery(asked: Asked) {
  return query<AuthorizationMetricsResponse>('authorization-metrics', asked, ({ interval }) => ({
    service: 'crud',
    interval,
    limit: ROWS,
  }))
}

export function anomaliesQuery(asked: Asked) {
  return query<AnomalousAccessPatternsResponse>('anomalous-access-patterns', asked, () => ({
    limit: ROWS,
  }))
}

export type Result<T> = UseQueryResult<T, Error>

function query<T>(
  endpoint: string,
  { subject, range, live }: Asked,
  parameters: (range: Range) => Record<string, string>,
) {
  return queryOptions({
    // Keyed by the user: who signs in next in this tab must not see the last one's rows.
    queryKey: ['analytics', subject, endpoint, range.id] as const,
    queryFn: ({ signal }): Promise<T> => {
      const { from } = windowOf(range, Date.now())
      const search = new URLSearchParams({ from, ...parameters(range) })
      return getJson<T>(`${BASE}/${endpoint}?${search}`, signal)
    },
    staleTime: POLL_MS / 2,
    refetchInterval: live ? POLL_MS : false,
    refetchOnWindowFocus: live,
    // Another range keeps the last one on the screen until it is there.
    placeholderData: keepPreviousData,
  })
}
