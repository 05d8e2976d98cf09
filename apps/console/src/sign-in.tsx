import { login } from './api/client.ts'
import { Mark } from './ui/icons.tsx'

/** Why a session ended, where it was not the person at this page who ended it. */
const REASONS = new Map([
  ['everywhere', 'You signed out everywhere.'],
  ['idle', 'Nothing was done for too long.'],
  ['absolute', 'It had lasted as long as a session may.'],
  ['grant_ended', 'The identity provider renews it no more.'],
  ['idp_logout', 'You were signed out at the identity provider.'],
  ['admin', 'An administrator ended it.'],
])

/** The only way to the login: a person presses the button. */
export function SignIn({ ended, reason }: { ended: boolean; reason: string | undefined }) {
  return (
    <main className="centre">
      <div className="card sign-in">
        <Mark />
        <h1>{ended ? 'Your session has ended' : 'Audience Bridge'}</h1>
        <p>
          {ended
            ? `${REASONS.get(reason ?? '') ?? ''} Sign in again to continue where you were.`.trim()
            : 'Workflows, authorization decisions and unusual access across your services.'}
        </p>
        <button type="button" className="button primary" data-testid="sign-in" onClick={login}>
          Sign in
        </button>
      </div>
    </main>
  )
}
