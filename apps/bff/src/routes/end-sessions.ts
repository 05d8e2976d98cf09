import type { KnownSession } from '../session/card.ts'
import type { SessionEnd } from '../session/session.ts'
import type { RouteDeps } from './deps.ts'

/** So many deletions are under way at once. */
const LANES = 16

/** Who ended sessions, for the log: a user's principal, `admin.token`, or the IdP's issuer. */
export interface Ender {
  reason: SessionEnd
  by: string
  correlationId: string
}

/**
 * Ends sessions on every node, then, in the background, their grants at the IdP. Each end is a line
 * of the log: who was signed out, and by whom.
 *
 * @returns how many were ended now; others had ended already.
 * @throws StoreUnavailable with some of them perhaps ended: asking again ends the rest.
 */
export async function endSessions(
  deps: Pick<RouteDeps, 'directory' | 'revocations' | 'background' | 'log'>,
  sessions: readonly KnownSession[],
  { reason, by, correlationId }: Ender,
): Promise<number> {
  let ended = 0
  const left = sessions.values()
  const endEach = async () => {
    for (const { id, card } of left) {
      if (!(await deps.directory.end(id, reason))) continue
      ended++
      deps.log.info(
        {
          event: 'bff_session_ended',
          ...{
            correlation_id: correlationId,
            reason,
            by,
            session: id,
            issuer: card.issuer,
            subject: card.sub,
          },
        },
        `session ended reason=${reason}`,
      )
      deps.background(deps.revocations.revoke(card.issuer, card.refresh_token))
    }
  }
  await Promise.all(Array.from({ length: LANES }, endEach))
  return ended
}
