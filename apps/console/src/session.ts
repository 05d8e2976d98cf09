import type { SessionResponse } from '@audience-bridge/contracts/session.ts'
import { QueryCache, QueryClient, queryOptions } from '@tanstack/react-query'
import { getJson, postJson } from './api/client.ts'
import { ApiProblem, isRecord, isSessionLoss } from './api/problem.ts'

export type LiveSession = Extract<SessionResponse, { authenticated: true }>

const SESSION_POLL_MS = 60_000

/** Asked again when the page regains focus: another tab may have signed in or out meanwhile. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }): Promise<SessionResponse> => {
    const answer = await getJson<SessionResponse>('/api/auth/session', signal)
    if (isRecord(answer) && typeof answer.authenticated === 'boolean') return answer
    throw new ApiProblem({
      code: 'ANSWER_INVALID',
      title: 'The answer could not be read',
      detail: '/api/auth/session did not say whether somebody is signed in.',
    })
  },
  staleTime: 5_000,
  refetchInterval: ({ state }) => (state.data?.authenticated ? SESSION_POLL_MS : false),
})

/**
 * Session loss, reported by whichever call met it first, turns the page into the sign-in screen and
 * stops there. Nothing here ever navigates to the login by itself: only the button does.
 */
export function createQueryClient(): QueryClient {
  const client = new QueryClient({
    queryCache: new QueryCache({
      onError: (error) => {
        if (isSessionLoss(error)) client.setQueryData(sessionQuery.queryKey, SIGNED_OUT)
      },
    }),
    defaultOptions: { queries: { retry: false } },
  })
  return client
}

const SIGNED_OUT: SessionResponse = { authenticated: false }

/** Leaves for the login, to come back to what is on the screen now. */
export function signIn(): void {
  const here = window.location.pathname + window.location.search
  window.location.assign(`/auth/login?${new URLSearchParams({ return_to: here })}`)
}

/** Ends the session here and follows to where the IdP's own session ends. */
export async function signOut(session: LiveSession): Promise<void> {
  const answer = await postJson<{ logout_url?: unknown }>('/auth/logout', session.csrf_token)
  const url = new URL(String(answer.logout_url ?? '/'), window.location.href)
  // An answer that was tampered with must not run a `javascript:` address here.
  if (url.protocol !== 'https:' && url.protocol !== 'http:') url.href = '/'
  window.location.assign(url.href)
}
