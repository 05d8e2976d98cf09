import { useQuery } from '@tanstack/react-query'
import { ownSessionsQuery } from './api/sessions.ts'
import { pageHref } from './page.ts'
import { OwnSessionsPanel } from './panels/sessions.tsx'
import { PageLink } from './ui/page-link.tsx'

type Props = { subject: string; attended: boolean; search: string }

/** Everybody's own page: where they are signed in. */
export function OwnSessions({ subject, attended, search }: Props) {
  const sessions = useQuery(ownSessionsQuery({ subject, live: attended }))
  return (
    <main className="page" data-testid="own-sessions">
      <div className="panels">
        <OwnSessionsPanel query={sessions} />
      </div>
      <PageLink className="more" to={pageHref(search, 'analytics')}>
        To the analytics
      </PageLink>
    </main>
  )
}
