import { login } from './api/client.ts'
import { Mark } from './ui/icons.tsx'

/** The only way to the login: a person presses the button. */
export function SignIn({ ended }: { ended: boolean }) {
  return (
    <main className="centre">
      <div className="card sign-in">
        <Mark />
        <h1>{ended ? 'Your session has ended' : 'Audience Bridge'}</h1>
        <p>
          {ended
            ? 'Sign in again to continue where you were.'
            : 'Workflows, authorization decisions and unusual access across your services.'}
        </p>
        <button type="button" className="button primary" data-testid="sign-in" onClick={login}>
          Sign in
        </button>
      </div>
    </main>
  )
}
