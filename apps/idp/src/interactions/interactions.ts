import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { Attempts } from '../accounts/attempts.ts'
import { readForm } from '../http.ts'
import { consentPage } from './consent-page.ts'
import type { InteractionDriver, PendingInteraction } from './driver.ts'
import { loginPage } from './login-page.ts'
import { messagePage, type PageSite, sendPage } from './page.ts'

export interface InteractionDeps {
  driver: InteractionDriver
  accounts: Accounts
  attempts: Attempts
  /** Who guesses: the peer, or whom a trusted proxy names. */
  addressOf(req: IncomingMessage): string
  site: PageSite
  /** The only origin whose forms are accepted. */
  origin: string
  log: Logger
}

const WRONG = 'The user name or the password is wrong.'

/** Serves `<base>/interaction/<uid>` and `<base>/interaction/<uid>/abort`. */
export function interactionHandler(deps: InteractionDeps) {
  const { driver, accounts, attempts, site, log } = deps

  return async (req: IncomingMessage, res: ServerResponse, path: string): Promise<void> => {
    const [uid = '', action = '', ...rest] = path.split('/')
    const known = rest.length === 0 && (action === '' || action === 'abort')
    const pending = known ? await driver.pending(req, res) : undefined
    if (pending === undefined || pending.uid !== uid) return expired(res, site)

    if (req.method === 'GET' && action === '') return show(res, pending, undefined, 200)
    if (req.method !== 'POST') {
      return sendPage(res, site, 405, messagePage(site, 'Not possible', 'Go back and try again.'), {
        allow: action === '' ? 'GET, POST' : 'POST',
      })
    }
    // The attack: another site on this host (cookies know no ports, SameSite no origins) posts this form.
    if (!fromOurPage(req, deps.origin)) {
      log.warn({ origin: req.headers.origin }, 'foreign form refused')
      return sendPage(
        res,
        site,
        403,
        messagePage(site, 'Not possible', 'This form was not sent from the sign-in page.'),
      )
    }
    if (action === 'abort') return driver.abort(req, res)
    if (pending.prompt === 'consent') return driver.consent(req, res)
    return signIn(req, res, pending)
  }

  function show(
    res: ServerResponse,
    pending: PendingInteraction,
    retry: { username: string; message: string } | undefined,
    status: number,
    headers: Record<string, string> = {},
  ): void {
    const { uid, clientId, prompt, loginHint, missing } = pending
    const html =
      prompt === 'consent'
        ? consentPage(site, { uid, clientId, ...missing })
        : loginPage(site, {
            uid,
            clientId,
            username: retry?.username ?? loginHint,
            message: retry?.message,
          })
    sendPage(res, site, status, html, headers)
  }

  async function signIn(
    req: IncomingMessage,
    res: ServerResponse,
    pending: PendingInteraction,
  ): Promise<void> {
    const form = await readForm(req)
    const fields = form.kind === 'form' ? form.fields : new URLSearchParams()
    const username = (fields.get('username') ?? '').trim().slice(0, 255)
    const password = fields.get('password') ?? ''
    if (username === '' || password === '' || password.length > 1024) {
      return show(res, pending, { username, message: 'Enter your user name and password.' }, 400)
    }

    const address = deps.addressOf(req)
    const attempt = attempts.begin(username, address)
    if (attempt.kind === 'limited') {
      const seconds = attempt.retryAfterSeconds
      log.warn({ client: pending.clientId, address, reason: 'too many attempts' }, 'login failed')
      const message = `Too many attempts. Try again in ${Math.ceil(seconds / 60)} min.`
      return show(res, pending, { username, message }, 429, { 'retry-after': String(seconds) })
    }
    const user = await accounts.authenticate(username, password)
    if (user === undefined) {
      // The name is not logged: people type passwords into the wrong field.
      log.warn({ client: pending.clientId, address, reason: 'wrong' }, 'login failed')
      return show(res, pending, { username, message: WRONG }, 422)
    }
    attempt.succeeded()
    log.info({ client: pending.clientId, sub: user.sub, address }, 'login ok')
    return driver.signIn(req, res, user.sub)
  }
}

/** Browsers send `Origin` with every form that is posted; what lacks it is no browser. */
function fromOurPage(req: IncomingMessage, origin: string): boolean {
  return req.headers.origin === undefined || req.headers.origin === origin
}

function expired(res: ServerResponse, site: PageSite): void {
  sendPage(
    res,
    site,
    400,
    messagePage(
      site,
      'This sign-in has expired',
      'Go back to the application and sign in again. Cookies must be allowed for this site.',
    ),
  )
}
