import { escapeHtml, type PageSite, pageHeaders, renderPage } from './page.ts'

/** Seconds until a browser without scripts goes on; with them it waits for the frames, at most two. */
const LEAVE_SECONDS = 3

/** The page of a browser that is signed out: it calls each of `frames`, then goes on to `next`. */
export function leavePage(site: PageSite, frames: readonly string[], next: string): string {
  return renderPage(
    site,
    'Signed out',
    `<h1>You are signed out</h1>
${frames.map((url) => `<iframe src="${escapeHtml(url)}" hidden></iframe>`).join('\n')}
<p><a id="next" href="${escapeHtml(next)}">Go on</a></p>`,
    {
      script: 'leave.js',
      head: `<meta http-equiv="refresh" content="${LEAVE_SECONDS};url=${escapeHtml(next)}">`,
    },
  )
}

/** The headers of a page, which may show these frames and no others. */
export function leaveHeaders(site: PageSite, frames: readonly string[]): Record<string, string> {
  const headers = pageHeaders(site)
  const origins = [...new Set(frames.map((url) => new URL(url).origin))].sort()
  const policy = `${headers['content-security-policy']}; frame-src ${origins.join(' ')}`
  return { ...headers, 'content-security-policy': policy }
}
