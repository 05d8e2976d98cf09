import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { ServiceToken, Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'

/** How often the sessions in memory are looked through. */
const LOOK_MS = 2000
/** How many tokens are renewed at the same time: a rush on the IdP would slow down whoever waits for it. */
const AT_ONCE = 8
/** A renewal that did not succeed is tried again after so long, in seconds; the token still serves. */
const AGAIN_SECONDS = 15

/**
 * When a token is to be replaced: `aheadSeconds` before its end, earlier by up to a fifth, so that the
 * sessions of one morning do not all come back to the IdP in the same second; never in the first
 * half of its life.
 */
export function renewalTime(mintedAt: number, expiresAt: number, aheadSeconds: number): number {
  const ahead = Math.min(aheadSeconds, (expiresAt - mintedAt) / 2)
  return expiresAt - ahead * (1 - Math.random() / 5)
}

/**
 * Replaces tokens before they end, for sessions that were used within the token's lifetime: whoever
 * is working never waits for a refresh, and a session that nobody uses is not kept warm. Works on the
 * sessions in this process's memory, because only their cookies open them; where several nodes serve
 * one session, the first to come renews, and the others find the new token in the store.
 */
export function renewAhead(deps: {
  sessions: Pick<Sessions, 'cached'>
  clock: Clock
  log: Logger
  /** @returns how it went; `token`: it is renewed. */
  renew: (session: Session, service: string, token: ServiceToken) => Promise<string>
}): { stop(): Promise<void> } {
  const running = new Set<Promise<void>>()
  const under = new WeakSet<ServiceToken>()

  const renew = async (session: Session, token: ServiceToken) => {
    const outcome = await deps.renew(session, token.service, token).catch((cause: unknown) => {
      deps.log.warn({ err: cause, service: token.service }, 'a token could not be renewed ahead')
      return 'failed'
    })
    if (outcome !== 'token') token.renewAt = deps.clock() + AGAIN_SECONDS * (1 + Math.random())
  }

  const look = () => {
    const now = deps.clock()
    for (const session of deps.sessions.cached()) {
      for (const token of session.tokens.values()) {
        if (running.size >= AT_ONCE) return
        if (!isDue(session, token, now) || under.has(token)) continue
        under.add(token)
        const work = renew(session, token).finally(() => {
          under.delete(token)
          running.delete(work)
        })
        running.add(work)
      }
    }
  }

  const timer = setInterval(look, LOOK_MS)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(running)
    },
  }
}

function isDue(session: Session, token: ServiceToken, now: number): boolean {
  if (session.ended || now < token.renewAt || now >= token.expiresAt) return false
  return now - session.seenAt < token.expiresAt - token.mintedAt
}
