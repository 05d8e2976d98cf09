import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { PageContext } from './interactions/provider-pages.ts'
import { type LogoutDelivery, LogoutRefused } from './logout-delivery.ts'
import type { Context } from './provider-context.ts'
import { endGrant } from './provider-replay.ts'

/* The end of a session, told to the clients that took part in it. */

interface Notified {
  clientId: string
  backchannelLogout(sub: string, sid: string): Promise<void>
}

/** OpenID Connect Back-Channel Logout: the library makes the message, we see to it that it arrives. */
export function deliverLogouts(provider: Provider, delivery: LogoutDelivery): void {
  const prototype = provider.Client.prototype as unknown as Notified
  const send = prototype.backchannelLogout
  prototype.backchannelLogout = function (this: Notified, sub, sid) {
    // A new message each time: a client takes none twice, and none that is minutes old.
    return delivery.tell(this.clientId, () => send.call(this, sub, sid).catch(judge))
  }
}

/** What the client answered; that it did not answer, or could not just then, is worth another try. */
function judge(error: unknown): never {
  const { status } = (error as { response?: { status?: number } }).response ?? {}
  if (status !== undefined && status < 500 && status !== 408 && status !== 429) {
    throw new LogoutRefused(`it answered ${status}`)
  }
  if (status !== undefined) throw new Error(`it answered ${status}`)
  const { message, cause } = error as Error
  throw new Error(cause instanceof Error ? cause.message : message)
}

/**
 * Ends every session of a user who is gone. His tokens are worth nothing already; this tells the
 * clients, which would learn of it at their next refresh.
 */
export function sessionEnder({ provider: ready, store }: Context): (sub: string) => Promise<void> {
  return async (sub) => {
    const provider = ready()
    for (const stored of store.ofAccount('Session', sub)) {
      const session = await provider.Session.findByUid(String(stored.uid))
      if (session === undefined) continue
      await session.destroy()
      for (const [clientId, { sid, grantId }] of Object.entries(session.authorizations ?? {})) {
        await endGrant(provider, grantId)
        const client = await provider.Client.find(clientId)
        if (client?.backchannelLogoutUri === undefined) continue
        await (client as unknown as Notified).backchannelLogout(sub, String(sid))
      }
    }
  }
}

type Leave = (ctx: PageContext, frames: string[], next: string) => void

/** OpenID Connect Front-Channel Logout: before the browser goes on, it calls each client in a frame. */
export function showFrames({ provider: ready, policy, site }: Context, leave: Leave): void {
  ready().use(async (ctx, next) => {
    await next()
    const { route, session } = (ctx as Partial<KoaContextWithOIDC>).oidc ?? {}
    const goal = ctx.response.get('location')
    if (route !== 'end_session_confirm' || session === undefined || goal === '') return
    // Who stays signed in is not sent round.
    if (Reflect.get(session, 'destroyed') !== true) return
    const frames = Object.entries(session.authorizations ?? {}).flatMap(([clientId, { sid }]) => {
      const { frontChannel } = policy.client(clientId) ?? {}
      if (frontChannel === undefined) return []
      const url = new URL(frontChannel.uri)
      if (frontChannel.withSession && sid !== undefined) {
        url.searchParams.set('iss', site.issuer)
        url.searchParams.set('sid', sid)
      }
      return [url.href]
    })
    if (frames.length === 0) return
    ctx.status = 200
    ctx.remove('location')
    leave(ctx as unknown as PageContext, frames, new URL(goal, site.issuer).href)
  })
}
