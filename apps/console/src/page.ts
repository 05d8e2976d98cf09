/** Pages are told apart by the query alone: the gateway serves one document, and only at `/`. */
export type Page = 'analytics' | 'bridge' | 'sessions'

export function readPage(search: string): Page {
  const page = new URLSearchParams(search).get('page')
  return page === 'bridge' || page === 'sessions' ? page : 'analytics'
}

/** The correlation id of the request that is to be explained. */
export function readRequest(search: string): string | undefined {
  return new URLSearchParams(search).get('request') || undefined
}

/** Where a page is; what else the address says, for example the time range, stays. */
export function pageHref(search: string, page: Page): string {
  return href(search, { page: page === 'analytics' ? undefined : page, request: undefined })
}

/** Where the explanation of a request is; undefined: the page with none. */
export function requestHref(search: string, request: string | undefined): string {
  return href(search, { page: 'bridge', request })
}

function href(search: string, changes: Record<string, string | undefined>): string {
  const query = new URLSearchParams(search)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) query.delete(name)
    else query.set(name, value)
  }
  return query.size === 0 ? '/' : `/?${query}`
}
