import type { Logger } from '@audience-bridge/kit/log.ts'

/*
 * Telling clients that a session has ended. The user's page waits for the first attempt, a second at
 * most; further ones go on behind it. They are kept in memory: a stop of the process gives them up,
 * and the client learns of the end at its next refresh, which is refused.
 */

const PAGE_SECONDS = 1
/** From one attempt to the next. */
const PAUSES = [1, 3, 9, 27]

/** The client has answered, and would answer the same again. */
export class LogoutRefused extends Error {}

export interface LogoutDelivery {
  /**
   * Calls `send` until it succeeds, is refused, or too often. Resolves when that is over or the user
   * has waited long enough; never rejects.
   */
  tell(client: string, send: () => Promise<void>): Promise<void>
  /** Gives up what is still to be told. */
  close(): void
}

export function createLogoutDelivery(
  log: Logger,
  pauses: readonly number[] = PAUSES,
): LogoutDelivery {
  const waiting = new Map<NodeJS.Timeout, string>()

  const attempt = async (client: string, send: () => Promise<void>, turn: number) => {
    try {
      await send()
      log.info({ client, attempt: turn + 1 }, 'client told of the sign-out')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const pause = error instanceof LogoutRefused ? undefined : pauses[turn]
      const again = pause !== undefined
      log.warn({ client, attempt: turn + 1, reason, again }, 'client not told of the sign-out')
      if (pause === undefined) return
      const timer = setTimeout(() => {
        waiting.delete(timer)
        void attempt(client, send, turn + 1)
      }, pause * 1000)
      waiting.set(timer, client)
    }
  }

  return {
    tell(client, send) {
      const patience = Promise.withResolvers<void>()
      const timer = setTimeout(patience.resolve, PAGE_SECONDS * 1000)
      const first = attempt(client, send, 0).finally(() => clearTimeout(timer))
      return Promise.race([first, patience.promise])
    },
    close() {
      for (const [timer, client] of waiting) {
        clearTimeout(timer)
        log.warn(
          { client, again: false, reason: 'the IdP stops' },
          'client not told of the sign-out',
        )
      }
      waiting.clear()
    },
  }
}
