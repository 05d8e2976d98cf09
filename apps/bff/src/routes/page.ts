import type { FastifyReply } from 'fastify'

/** Escapes text for HTML content and quoted attributes. */
export const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

/**
 * A small page of the BFF itself; no script, so that the strictest policy holds.
 *
 * @param formTargets where its forms may lead, redirects included (CSP `form-action`).
 */
export function sendPage(
  reply: FastifyReply,
  status: number,
  title: string,
  body: string,
  formTargets = ["'self'"],
) {
  return reply
    .code(status)
    .header(
      'content-security-policy',
      `default-src 'none'; form-action ${formTargets.join(' ')}; frame-ancestors 'none'`,
    )
    .header('cache-control', 'no-store')
    .header('x-frame-options', 'DENY')
    .type('text/html; charset=utf-8')
    .send(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title></head>
<body><main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>
`)
}

/** Whether a person's browser navigates here, rather than a program that reads JSON. */
export const wantsHtml = (accept: string | undefined) => accept?.includes('text/html') === true

/** A field of a form that was sent exactly once. */
export function formField(body: unknown, name: string): string | undefined {
  return body instanceof URLSearchParams && body.getAll(name).length === 1
    ? (body.get(name) ?? undefined)
    : undefined
}
