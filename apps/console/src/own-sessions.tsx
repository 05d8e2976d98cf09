import { useQuery } from '@tanstack/react-query'
import { ownSessionsQuery } from './api/sessions.ts'
import { OwnSessionsPanel } from './panels/sessions.tsx'

/** Everybody's own page: where they are signed in. */
export function OwnSessions({ subject, attended }: { subject: string; attended: boolean }) {
  const sessions = useQuery(ownSessionsQuery({ subject, live: attended }))
  return (
    <main className="page" data-testid="own-sessions">
      <div className="panels">
        <OwnSessionsPanel query={sessions} />
      </div>
    </main>
  )
}
