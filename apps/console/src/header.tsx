import { useMutation, useQueryClient } from '@tanstack/react-query'
import { logout } from './api/client.ts'
import { toProblem } from './api/problem.ts'
import { formatClock } from './format.ts'
import { type Page, pageHref } from './page.ts'
import { type LiveSession, sessionQuery } from './session.ts'
import { Mark } from './ui/icons.tsx'
import { PageLink } from './ui/page-link.tsx'

type Props = { session: LiveSession; page: Page; search: string; isAdministrator: boolean }

export function Header({ session, page, search, isAdministrator }: Props) {
  const client = useQueryClient()
  const leave = useMutation({
    mutationFn: async () => {
      // What is under way would be refused the moment the session ends.
      await client.cancelQueries()
      await logout()
    },
    // The session may be gone already, or its CSRF token replaced: learn which, then try again.
    onError: () => client.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  })
  const { user } = session

  return (
    <header className="header">
      <div className="header-row">
        <div className="brand">
          <Mark />
          <span>Audience Bridge</span>
        </div>
        {isAdministrator && (
          <nav className="pages" aria-label="Pages">
            {PAGES.map(({ id, label }) => (
              <PageLink
                key={id}
                to={pageHref(search, id)}
                current={id === page ? 'page' : undefined}
              >
                {label}
              </PageLink>
            ))}
          </nav>
        )}
        <div className="who">
          <div className="who-text" data-testid="user">
            <span className="who-name">{user.name ?? user.email ?? user.sub}</span>
            {user.roles.map((role) => (
              <span key={role} className="chip">
                {role}
              </span>
            ))}
          </div>
          <p className="who-ends">
            <PageLink to={pageHref(search, 'sessions')}>Session</PageLink> ends{' '}
            <time dateTime={session.ends.at}>{formatClock(session.ends.at, Date.now())}</time>
          </p>
        </div>
        <button
          type="button"
          className="button"
          data-testid="sign-out"
          disabled={leave.isPending}
          onClick={() => leave.mutate()}
        >
          Sign out
        </button>
      </div>
      {leave.error !== null && (
        <p className="header-alert" role="alert">
          Signing out did not work: {toProblem(leave.error).title}. Please try again.
        </p>
      )}
    </header>
  )
}

const PAGES: readonly { id: Page; label: string }[] = [
  { id: 'analytics', label: 'Analytics' },
  { id: 'bridge', label: 'Bridge' },
]
