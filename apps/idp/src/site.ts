/** Where the IdP stands, read off its issuer. */
export interface Site {
  issuer: string
  /** For example `http://localhost:8002`. */
  origin: string
  /** Scheme without the colon. */
  protocol: string
  host: string
  /** The issuer's path without a trailing slash, for example `/api/oidc`. */
  base: string
  secure: boolean
  cookieNames: { session: string; interaction: string; resume: string }
}

export function siteOf(issuer: string): Site {
  const url = new URL(issuer)
  // Cookies know no ports: an IdP and a BFF on one host name must not share a cookie's name.
  const suffix = url.port === '' ? '' : `_${url.port}`
  return {
    issuer,
    origin: url.origin,
    protocol: url.protocol.slice(0, -1),
    host: url.host,
    base: url.pathname.replace(/\/+$/, ''),
    secure: url.protocol === 'https:',
    cookieNames: {
      session: `_idp_session${suffix}`,
      interaction: `_idp_interaction${suffix}`,
      resume: `_idp_resume${suffix}`,
    },
  }
}
