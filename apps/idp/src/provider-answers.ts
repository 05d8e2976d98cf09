import type { KoaContextWithOIDC } from 'oidc-provider'
import { EXCHANGE_GRANT } from './exchange.ts'
import type { Context } from './provider-context.ts'

/**
 * Headers for every answer; how long a refresh token lasts; the truth about a login's token at the
 * introspection endpoint.
 */
export function useDefaults({ provider: ready, policy, token: tokens, sessionEnd }: Context): void {
  ready().use(async (ctx, next) => {
    ctx.set({
      // The library's own pages post themselves by inline script, whose hash it adds here.
      'content-security-policy':
        "default-src 'none'; script-src; base-uri 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    })
    await next()
    const { route, entities } = (ctx as Partial<KoaContextWithOIDC>).oidc ?? {}
    const answer = ctx.body as Record<string, unknown> | undefined
    if (route === 'token' && typeof answer?.refresh_token === 'string') {
      answer.refresh_token_expires_in = await refreshSeconds(entities, sessionEnd)
    }
    if (route !== 'introspection' || answer?.active !== true) return
    const { AccessToken: token, ClientCredentials: machine } = entities ?? {}
    answer.jti = token?.jti ?? machine?.jti
    if (token?.aud === tokens.default_audience && token.gty !== EXCHANGE_GRANT) {
      answer.scope = policy.shownScope(token.clientId ?? '', token.scope ?? '')
    }
  })
}

/** Whichever ends first: the refresh token, the login that it is of, or the session of the user. */
async function refreshSeconds(
  entities: KoaContextWithOIDC['oidc']['entities'] | undefined,
  sessionEnd: Context['sessionEnd'],
): Promise<number | undefined> {
  const { RefreshToken: token, Grant: grant } = entities ?? {}
  if (token === undefined) return undefined
  const { sessionUid, accountId } = token
  const end = sessionUid === undefined ? undefined : await sessionEnd(sessionUid, accountId)
  const ends = [token.remainingTTL, grant?.remainingTTL, end && end - Math.floor(Date.now() / 1000)]
  return Math.min(...ends.filter((seconds) => seconds !== undefined))
}
