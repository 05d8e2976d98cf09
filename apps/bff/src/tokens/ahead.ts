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
  /** What is due, the one that ends first at the end; found anew at each look. */
  let due: { session: Session; token: ServiceToken }[] = []
  const lanes = new Set<Promise<void>>()
  let stopped = false

  const renew = async (session: Session, token: ServiceToken) => {
    const outcome = await deps.renew(session, token.service, token).catch((cause: unknown) => {
      deps.log.warn({ err: cause, service: token.service }, 'a token could not be renewed ahead')
      return 'failed'
    })
    if (outcome !== 'token') token.renewAt = deps.clock() + AGAIN_SECONDS * (1 + Math.random())
  }

  /** One after the other, until nothing is due any more. */
  const drive = async () => {
    for (let next = due.pop(); next !== undefined && !stopped; next = due.pop()) {
      const { session, token } = next
      // It may have been renewed, or its session ended, while it stood in the list.
      const current = session.tokens.get(token.service) === token
      if (current && isDue(session, token, deps.clock())) await renew(session, token)
    }
  }

  const look = () => {
    // What is under way is not looked at again: a lane is slower than a look only when the IdP is.
    if (lanes.size > 0) return
    const now = deps.clock()
    for (const session of deps.sessions.cached()) {
      for (const token of session.tokens.values()) {
        if (isDue(session, token, now)) due.push({ session, token })
      }
    }
    due.sort((a, b) => b.token.expiresAt - a.token.expiresAt)
    // Counted before: each lane takes its first from the list at once.
    const wanted = Math.min(AT_ONCE, due.length)
    for (let i = 0; i < wanted; i++) {
      const lane = drive().finally(() => lanes.delete(lane))
      lanes.add(lane)
    }
  }

  const timer = setInterval(look, LOOK_MS)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      stopped = true
      due = []
      await Promise.all(lanes)
    },
  }
}

function isDue(session: Session, token: ServiceToken, now: number): boolean {
  if (session.ended || now < token.renewAt || now >= token.expiresAt) return false
  return now - session.seenAt < token.expiresAt - token.mintedAt
}
