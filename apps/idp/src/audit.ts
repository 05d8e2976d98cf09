import type { Logger } from '@audience-bridge/kit/log.ts'

/** What the library tells with its events, as far as we log it. */
export interface AuditContext {
  oidc: {
    route: string
    client?: { clientId: string } | undefined
    params?: Record<string, unknown> | undefined
    session?: { accountId?: string | undefined } | undefined
    entities: {
      AccessToken?: AuditToken | undefined
      ClientCredentials?: AuditToken | undefined
    }
  }
}

interface AuditToken {
  clientId?: string | undefined
  accountId?: string
  aud?: unknown
  scope?: string | undefined
}

/** An OAuth error; `error_detail` is what the caller is not told. */
export interface AuditError {
  error: string
  error_description?: string | undefined
  error_detail?: string | undefined
}

/** What the IdP did, one JSON line each; never a token, a code or a secret. */
export interface Audit {
  issued(ctx: AuditContext): void
  refused(ctx: AuditContext, error: AuditError): void
  signedOut(ctx: AuditContext): void
  failed(ctx: AuditContext, error: Error): void
}

export function createAudit(log: Logger): Audit {
  return {
    issued({ oidc: { entities, params } }) {
      const token = entities.AccessToken ?? entities.ClientCredentials
      if (token === undefined) return
      const { clientId: client, accountId, aud, scope } = token
      const sub = accountId ?? client
      log.info({ client, grant_type: params?.grant_type, sub, aud, scope }, 'token issued')
    },
    refused({ oidc: { route, client, params } }, error) {
      log.warn(
        {
          client: client?.clientId ?? params?.client_id,
          route,
          grant_type: params?.grant_type,
          error: error.error,
          description: error.error_description,
          detail: error.error_detail,
        },
        'refused',
      )
    },
    signedOut: ({ oidc }) => log.info({ sub: oidc.session?.accountId }, 'signed out'),
    failed: ({ oidc }, err) => log.error({ route: oidc.route, err }, 'request failed'),
  }
}
