import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useState } from 'react'
import { toProblem } from './api/problem.ts'
import { useAttention } from './attention.ts'
import { Header } from './header.tsx'
import { sessionQuery } from './session.ts'
import { SignIn } from './sign-in.tsx'
import { Boundary } from './ui/boundary.tsx'
import { ProblemNotice } from './ui/problem-notice.tsx'

/** Charts weigh more than all the rest; who has not signed in does not wait for them. */
const Dashboard = lazy(async () => ({ default: (await import('./dashboard.tsx')).Dashboard }))

/** Shows who is signed in, or how to sign in. */
export function App() {
  const attended = useAttention()
  const { data, error, refetch } = useQuery({ ...sessionQuery, enabled: attended })
  const [wasSignedIn, setWasSignedIn] = useState(false)

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
  if (!data.authenticated) return <SignIn ended={wasSignedIn} />
  return (
    <>
      <Header session={data} />
      <Boundary resetKey={data.user.sub}>
        <Suspense fallback={<Splash />}>
          <Dashboard key={data.user.sub} subject={data.user.sub} attended={attended} />
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
