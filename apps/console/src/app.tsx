import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useSearch } from './address.ts'
import { watchSession } from './api/client.ts'
import { toProblem } from './api/problem.ts'
import { useAttention } from './attention.ts'
import { Explainable } from './explainable.ts'
import { Header } from './header.tsx'
import { NotForYou } from './not-for-you.tsx'
import { OwnSessions } from './own-sessions.tsx'
import { readPage } from './page.ts'
import { followNews, sessionQuery } from './session.ts'
import { SignIn } from './sign-in.tsx'
import { Boundary } from './ui/boundary.tsx'
import { ProblemNotice } from './ui/problem-notice.tsx'

/** Of interest to a few people only. */
const Bridge = lazy(async () => ({ default: (await import('./bridge.tsx')).Bridge }))

/** Charts weigh more than all the rest; who has not signed in does not wait for them. */
const Dashboard = lazy(async () => ({ default: (await import('./dashboard.tsx')).Dashboard }))

/** Shows who is signed in, or how to sign in. */
export function App() {
  const attended = useAttention()
  const search = useSearch()
  const { data, error, refetch } = useQuery({ ...sessionQuery, enabled: attended })
  const [wasSignedIn, setWasSignedIn] = useState(false)

  const client = useQueryClient()
  const [reason, setReason] = useState<string>()

  useEffect(
    () =>
      watchSession((news) => {
        setReason(news.type === 'ended' ? news.reason : undefined)
        followNews(client, news)
      }),
    [client],
  )

  useEffect(() => {
    if (data?.authenticated) setWasSignedIn(true)
  }, [data?.authenticated])

  if (data === undefined) {
    if (error === null) return <Splash />
    return (
      <main className="centre">
        <div className="card">
          <ProblemNotice problem={toProblem(error)} retry={() => void refetch()} />
        </div>
      </main>
    )
  }
  if (!data.authenticated) return <SignIn ended={wasSignedIn} reason={reason} />
  const { user } = data
  // Decides what is offered, not what is allowed: the gateway looks at the role in every call.
  const isAdministrator = user.roles.includes('admin')
  const page = readPage(search)
  return (
    <>
      <Header session={data} page={page} search={search} isAdministrator={isAdministrator} />
      <Boundary key={page} resetKey={user.sub}>
        <Suspense fallback={<Splash />}>
          {page === 'analytics' ? (
            <Explainable value={isAdministrator}>
              <Dashboard key={user.sub} subject={user.sub} attended={attended} />
            </Explainable>
          ) : page === 'sessions' ? (
            <OwnSessions key={user.sub} subject={user.sub} attended={attended} search={search} />
          ) : isAdministrator ? (
            <Bridge key={user.sub} subject={user.sub} attended={attended} search={search} />
          ) : (
            <NotForYou search={search} />
          )}
        </Suspense>
      </Boundary>
    </>
  )
}

function Splash() {
  return (
    <main className="centre" aria-busy="true">
      <p className="splash" role="status">
        Loading…
      </p>
    </main>
  )
}
