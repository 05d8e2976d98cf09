import { escapeHtml, type PageSite, renderPage } from './page.ts'

export interface LoginView {
  uid: string
  clientId: string
  /** What the user typed, or the client's `login_hint`. */
  username: string
  /** Why the page is shown again; undefined the first time. */
  message: string | undefined
}

export function loginPage(site: PageSite, view: LoginView): string {
  const action = `${site.base}/interaction/${encodeURIComponent(view.uid)}`
  const alert =
    view.message === undefined
      ? ''
      : `<p class="alert" role="alert" id="message">${escapeHtml(view.message)}</p>`
  const described = view.message === undefined ? '' : ' aria-describedby="message"'
  // The cursor goes where something is missing.
  const [first, second] = view.username === '' ? [' autofocus', ''] : ['', ' autofocus']
  return renderPage(
    site,
    'Sign in',
    `<h1>Sign in</h1>
<p class="muted">to continue to <strong>${escapeHtml(view.clientId)}</strong></p>
${alert}
<form method="post" action="${action}">
<label for="username">User name</label>
<input id="username" name="username" type="text" value="${escapeHtml(view.username)}" required maxlength="255"
 autocomplete="username" autocapitalize="none" spellcheck="false"${first}${described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" required maxlength="1024" autocomplete="current-password"${second}${described}>
<button type="submit">Sign in</button>
</form>
<form method="post" action="${action}/abort"><button class="quiet" type="submit">Cancel</button></form>`,
  )
}
