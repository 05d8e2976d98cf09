import type { Frontend } from '../frontends.ts'

/**
 * Where a login may return to: a path of the frontend's own origin, a page of an origin that it
 * trusts, or an https address on a configured host.
 *
 * The attack: `/auth/login?return_to=//evil.example` lends our name and a fresh session to a
 * phishing page. `//`, `/\` and control characters are what browsers and parsers read differently.
 *
 * @returns the address to redirect to, or undefined when it is refused.
 */
export function readReturnTo(
  value: string | undefined,
  { publicUrl, trustedOrigins }: Pick<Frontend, 'publicUrl' | 'trustedOrigins'>,
  allowedHosts: readonly string[],
): string | undefined {
  if (value === undefined || value === '') return '/'
  if (value.length > 2048 || !/^[\x21-\x5B\x5D-\x7E]+$/.test(value)) return undefined
  if (value.startsWith('/')) {
    if (value.startsWith('//')) return undefined
    const url = URL.parse(value, publicUrl)
    // `/.//evil.example` is our own until its dots are resolved.
    if (url === null || url.origin !== publicUrl.origin || url.pathname.startsWith('//')) {
      return undefined
    }
    return url.pathname + url.search + url.hash
  }
  const url = URL.parse(value)
  if (url === null || url.username !== '' || url.password !== '') return undefined
  if (trustedOrigins.has(url.origin)) return url.href
  return url.protocol === 'https:' && allowedHosts.includes(url.host) ? url.href : undefined
}
