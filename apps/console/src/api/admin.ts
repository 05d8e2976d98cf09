import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { getJson, postJson } from './client.ts'

/*
 * The administrators' API of the gateway, as far as the page reads it. The gateway refuses it to
 * everybody else; that the page is not offered to them is a courtesy.
 */

const POLL_MS = 5_000
/** The gateway asks every backend for this. */
const BACKENDS_POLL_MS = 15_000
const REQUESTS = 50

export type Place = { file: string; line: number; column: number }

export type BrokenLink = {
  link: string
  state: 'broken'
  code: string
  found: string
  expected: string
  at?: Place
  mend: string
  patch?: unknown
}

export type LinkResult =
  | { link: string; state: 'holds'; evidence: string }
  | { link: string; state: 'unknown'; why: string }
  | BrokenLink

export type ConfigStatus = {
  version: string
  loaded_at: string
  /** The files on disk were refused: what is in force is older than they are. */
  refused: boolean
  faults: string[]
}

export type BrokenRoute = BrokenLink & { route: string; service: string }

export type Config = ConfigStatus & { broken_links: BrokenRoute[]; warnings: string[] }

export type Chain = { route: string; service: string; links: LinkResult[]; broken?: BrokenLink }

export type Route = { id: string; path: string; service: string; auth: string; methods: string[] }

export type Chains = { chains: Chain[]; routes: Route[] }

export type Backend = {
  service: string
  base_url: string
  /** Absent: the map does not name the service. */
  audience?: string
  /** What it says of itself (RFC 9728); absent when it says nothing. */
  resource?: string
  authorization_servers?: string[]
  link?: LinkResult
}

export type Backends = { issuer: string; backends: Backend[] }

export type SeenRequest = {
  id: string
  at: string
  node: string
  method: string
  path: string
  status: number
  elapsed_ms: number
  config_version: string
  /** The code of the gateway's own refusal; absent when the answer is the service's. */
  problem?: string
  route?: string
  service?: string
  session?: { state: string; subject?: string; age_seconds?: number }
}

export type Explanation = {
  request: SeenRequest
  links: LinkResult[]
  broken?: BrokenLink
  /** The same as lines, as the command prints them. */
  text: string
  /** The request met another configuration than the one that judges it here. */
  config_changed: boolean
  /** Others that came with the same id: callers may choose it. */
  earlier: SeenRequest[]
}

export type FailureCount = {
  problem: string
  method: string
  route: string
  status: number
  count: number
  last_at: string
  last_id: string
}

/** Whose page, and whether it should keep moving. */
export type Asked = { subject: string; live: boolean }

export function configQuery(asked: Asked) {
  return polled(asked, ['config'], (signal) => getJson<Config>('/admin/config', signal))
}

export function requestsQuery(asked: Asked, failed: boolean) {
  const search = new URLSearchParams({ failed: failed ? '1' : '0', limit: String(REQUESTS) })
  return polled(asked, ['requests', failed], (signal) =>
    getJson<{ requests: SeenRequest[] }>(`/admin/requests?${search}`, signal),
  )
}

export function failuresQuery(asked: Asked) {
  return polled(asked, ['failures'], (signal) =>
    getJson<{ failures: FailureCount[] }>('/admin/failures', signal),
  )
}

/** Once per edition of the configuration: nothing else changes them, and there may be thousands. */
export function chainsQuery(asked: Asked, edition: string | undefined) {
  return queryOptions({
    queryKey: key(asked, ['chains', edition]),
    queryFn: async ({ signal }): Promise<Chains> => {
      const [{ chains }, { routes }] = await Promise.all([
        getJson<Pick<Chains, 'chains'>>('/admin/chains', signal),
        getJson<Pick<Chains, 'routes'>>('/admin/routes', signal),
      ])
      return { chains, routes }
    },
    enabled: edition !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  })
}

export function backendsQuery(asked: Asked, edition: string | undefined) {
  return queryOptions({
    queryKey: key(asked, ['backends', edition]),
    queryFn: ({ signal }) => getJson<Backends>('/admin/backends', signal),
    enabled: edition !== undefined,
    staleTime: BACKENDS_POLL_MS / 2,
    refetchInterval: asked.live ? BACKENDS_POLL_MS : false,
    refetchOnWindowFocus: asked.live,
    placeholderData: keepPreviousData,
  })
}

/** Judged anew by each edition of the configuration; what the request showed never changes. */
export function explanationQuery(asked: Asked, edition: string | undefined, id: string) {
  return queryOptions<Explanation>({
    queryKey: key(asked, ['explanation', id, edition]),
    queryFn: ({ signal }) => {
      return getJson<Explanation>(`/admin/explain/${encodeURIComponent(id)}`, signal)
    },
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (last) => (last?.request.id === id ? last : undefined),
  })
}

/** Reads the files now; tells what came of it. */
export function reloadConfig(): Promise<ConfigStatus> {
  return postJson<ConfigStatus>('/admin/reload')
}

/** Of everything below `admin`, for one user. */
export function key({ subject }: Pick<Asked, 'subject'>, rest: readonly unknown[]) {
  // Keyed by the user: who signs in next in this tab must not see an administrator's page.
  return ['admin', subject, ...rest] as const
}

function polled<T>(asked: Asked, rest: unknown[], ask: (signal: AbortSignal) => Promise<T>) {
  return queryOptions({
    queryKey: key(asked, rest),
    queryFn: ({ signal }): Promise<T> => ask(signal),
    staleTime: POLL_MS / 2,
    refetchInterval: asked.live ? POLL_MS : false,
    refetchOnWindowFocus: asked.live,
    placeholderData: keepPreviousData,
  })
}
