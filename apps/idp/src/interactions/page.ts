import type { ServerResponse } from 'node:http'

/** Where the pages' own files are, below the issuer's path. */
export interface PageSite {
  /** The issuer's path, for example `/api/oidc`. */
  base: string
  /** Whether browsers reach the IdP by https; plain http is for localhost only. */
  secure: boolean
}

/** Escapes text for HTML content and for quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A whole page; `title` is text, `body` and `head` are HTML, `script` is the name of an asset. */
export function renderPage(
  site: PageSite,
  title: string,
  body: string,
  { script, head = '' }: { script?: string; head?: string } = {},
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="${site.base}/assets/idp.css">${head === '' ? '' : `\n${head}`}
</head>
<body>
<main>
<p class="brand">Audience Bridge</p>
${body}
</main>
${script === undefined ? '' : `<script src="${site.base}/assets/${script}"></script>`}
</body>
</html>
`
}

/**
 * The headers of every page. Nothing is loaded but our own files; no frame (the attack: a page that
 * lays the login form under its own buttons); no referrer to other sites.
 *
 * `form-action` names schemes and not hosts: browsers apply it to the whole chain of redirects
 * behind a form, and the login's chain ends at the client's callback and wherever that leads.
 */
export function pageHeaders(site: PageSite): Record<string, string> {
  return {
    'content-security-policy': [
      "default-src 'none'",
      "style-src 'self'",
      "script-src 'self'",
      `form-action 'self' https:${site.secure ? '' : ' http:'}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cache-control': 'no-store',
  }
}

export function sendPage(
  res: ServerResponse,
  site: PageSite,
  status: number,
  html: string,
  more: Record<string, string> = {},
): void {
  res.writeHead(status, {
    ...pageHeaders(site),
    'content-type': 'text/html; charset=utf-8',
    'content-length': String(Buffer.byteLength(html)),
    ...more,
  })
  res.end(html)
}

/** A page that says what went wrong and what to do; `message` is text. */
export function messagePage(site: PageSite, title: string, message: string, detail = ''): string {
  const code = detail === '' ? '' : `\n<p class="muted"><code>${escapeHtml(detail)}</code></p>`
  return renderPage(
    site,
    title,
    `<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(message)}</p>${code}`,
  )
}
