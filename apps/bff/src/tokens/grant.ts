import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Grant, Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import { Queue } from './flight.ts'
import type { Idp, IdpAnswer, IssuedToken } from './idp.ts'

export type GrantAnswer<T> = IdpAnswer<T> | { kind: 'session_ended'; reason: string }

/** The login's own token is renewed this long before its end, in seconds. */
const AHEAD_SECONDS = 15

/**
 * Keeps each session's grant alive. All uses of a refresh token of one session stand in one queue:
 * a rotated token that is sent twice looks like theft to the IdP and would end the grant.
 */
export class GrantKeeper {
  readonly #idp: () => Idp
  readonly #sessions: Sessions
  readonly #clock: Clock
  readonly #queue = new Queue()

  constructor(deps: { idp: () => Idp; sessions: Sessions; clock: Clock }) {
    this.#idp = deps.idp
    this.#sessions = deps.sessions
    this.#clock = deps.clock
  }

  /** The grant with an access token that has some life left. */
  async fresh(session: Session): Promise<GrantAnswer<Grant>> {
    if (this.#alive(session.grant)) return { kind: 'ok', value: session.grant }
    return this.#queue.run(session.ticket.id, async () =>
      // Whoever waited finds the work done.
      this.#alive(session.grant) ? { kind: 'ok', value: session.grant } : this.#refresh(session),
    )
  }

  /** A grant newer than `stale`. */
  renew(session: Session, stale: Grant): Promise<GrantAnswer<Grant>> {
    return this.#queue.run(session.ticket.id, async () =>
      session.grant !== stale ? { kind: 'ok', value: session.grant } : this.#refresh(session),
    )
  }

  /** A token for one resource straight from the refresh grant (RFC 8707 §2.2). */
  refreshForResource(
    session: Session,
    resource: string,
    scope: string,
  ): Promise<GrantAnswer<IssuedToken>> {
    return this.#queue.run(session.ticket.id, async () => {
      if (session.ended) return { kind: 'session_ended', reason: 'it ended' }
      const answer = await this.#idp().refreshForResource(session.grant, resource, scope)
      if (answer.kind === 'refused' && answer.error === 'invalid_grant') return this.#end(session)
      if (answer.kind !== 'ok') return answer
      const { issued, refreshToken } = answer.value
      if (refreshToken !== undefined && refreshToken !== session.grant.refreshToken) {
        const kept = await this.#sessions.replaceGrant(session, { ...session.grant, refreshToken })
        if (!kept) return { kind: 'session_ended', reason: 'it ended while a token was minted' }
      }
      return { kind: 'ok', value: issued }
    })
  }

  #alive({ accessExpiresAt }: Grant): boolean {
    return accessExpiresAt - this.#clock() > AHEAD_SECONDS
  }

  async #refresh(session: Session): Promise<GrantAnswer<Grant>> {
    if (session.ended) return { kind: 'session_ended', reason: 'it ended' }
    if (session.grant.refreshToken === undefined) {
      // Without a refresh token (no offline_access) the access token serves to its very end.
      return session.grant.accessExpiresAt > this.#clock()
        ? { kind: 'ok', value: session.grant }
        : this.#end(session)
    }
    const answer = await this.#idp().refresh(session.grant, this.#clock())
    if (answer.kind === 'refused' && answer.error === 'invalid_grant') return this.#end(session)
    if (answer.kind !== 'ok') return answer
    const kept = await this.#sessions.replaceGrant(session, answer.value)
    return kept ? answer : { kind: 'session_ended', reason: 'it ended while it was renewed' }
  }

  /** A grant that the IdP has ended ends the session at once: no sliding on without it. */
  async #end(session: Session): Promise<GrantAnswer<never>> {
    await this.#sessions.end(session, 'grant_ended')
    return { kind: 'session_ended', reason: 'the IdP has ended its grant' }
  }
}
