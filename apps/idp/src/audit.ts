import type { Logger } from '@audience-bridge/kit/log.ts'

export interface IssuedToken {
  client: string
  grant_type: string
  sub: string
  aud: string
  scope: string
}

export interface RefusedRequest {
  client: string | undefined
  /** The endpoint, as the provider names it. */
  route: string
  grant_type?: string | undefined
  error: string
  description: string | undefined
  /** What the caller is not told. */
  detail?: string | undefined
}

/** What the IdP did, one JSON line each; never a token, a code or a secret. */
export interface Audit {
  issued(token: IssuedToken): void
  refused(request: RefusedRequest): void
  signedOut(sub: string | undefined): void
  failed(route: string, error: unknown): void
}

export function createAudit(log: Logger): Audit {
  return {
    issued: (token) => log.info({ ...token }, 'token issued'),
    refused: (request) => log.warn({ ...request }, 'refused'),
    signedOut: (sub) => log.info({ sub }, 'signed out'),
    failed: (route, err) => log.error({ route, err }, 'request failed'),
  }
}
