import type { KoaContextWithOIDC } from 'oidc-provider'
import { EXCHANGE_GRANT } from './exchange.ts'
import type { Context } from './provider-context.ts'

/** Headers for every answer, and the truth about a login's token at the introspection endpoint. */
export function useDefaults({ provider: ready, policy, token: tokens }: Context): void {
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
    if (route !== 'introspection' || answer?.active !== true) return
    const { AccessToken: token, ClientCredentials: machine } = entities ?? {}
    answer.jti = token?.jti ?? machine?.jti
    if (token?.aud === tokens.default_audience && token.gty !== EXCHANGE_GRANT) {
      answer.scope = policy.shownScope(token.clientId ?? '', token.scope ?? '')
    }
  })
}
