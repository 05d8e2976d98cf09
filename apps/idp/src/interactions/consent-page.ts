import { escapeHtml, type PageSite, renderPage } from './page.ts'

export interface ConsentView {
  uid: string
  clientId: string
  /** The scopes that the client asks for and the user has not granted yet. */
  scopes: readonly string[]
  /** The audiences where it would use them; empty for none but the IdP. */
  audiences: readonly string[]
}

const MEANINGS: Readonly<Record<string, string>> = {
  openid: 'Know who you are and which roles you have',
  profile: 'See your name',
  email: 'See your email address',
  offline_access: 'Stay signed in while you are away',
}

export function consentPage(site: PageSite, view: ConsentView): string {
  const action = `${site.base}/interaction/${encodeURIComponent(view.uid)}`
  const scopes = view.scopes.map((scope) => {
    const meaning = MEANINGS[scope]
    return meaning === undefined
      ? `<li>Use <code>${escapeHtml(scope)}</code> in your name</li>`
      : `<li>${escapeHtml(meaning)}</li>`
  })
  const audiences = view.audiences.map(
    (audience) => `<li><code>${escapeHtml(audience)}</code></li>`,
  )
  return renderPage(
    site,
    'Allow access',
    `<h1>Allow access?</h1>
<p><strong>${escapeHtml(view.clientId)}</strong> asks to:</p>
<ul>${scopes.join('\n')}</ul>
${audiences.length === 0 ? '' : `<p>at:</p>\n<ul>${audiences.join('\n')}</ul>`}
<form method="post" action="${action}"><button type="submit">Allow</button></form>
<form method="post" action="${action}/abort"><button class="quiet" type="submit">Deny</button></form>`,
  )
}
