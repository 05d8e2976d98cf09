import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Grant, Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import { Queue } from './flight.ts'
import type { Idp } from './idp.ts'
import type { IdpAnswer, IssuedToken } from './idp-answer.ts'
import type { LeaseOutcome, Leases } from './lease.ts'
import { userFrom } from './user.ts'

export type GrantAnswer<T> = IdpAnswer<T> | { kind: 'session_ended'; reason: string }

/** The login's own token is renewed this long before its end, in seconds. */
const AHEAD_SECONDS = 15

/** After the IdP has rotated, the store is asked to take the new token so often, doubling the pause. */
const SAVE_ATTEMPTS = 6
const SAVE_PAUSE_MS = 100

/**
 * Keeps each session's grant alive. All uses of a refresh token of one session stand in one queue,
 * across all processes: a rotated token that is sent twice looks like theft to the IdP and would end
 * the grant. Whoever's turn it is reads the session again first: the token in memory may be spent.
 *
 * A process that dies between the IdP's answer and the store's leaves the spent token behind. Our IdP
 * takes it once more within 10 s from the same client (RFC 9700 §4.14.2 leaves that to it).
 */
export class GrantKeeper {
  readonly #idpOf: (session: Session) => Idp
  readonly #sessions: Sessions
  readonly #leases: Leases
  readonly #clock: Clock
  readonly #refreshed: (status: 'success' | 'refused' | 'unavailable') => void
  readonly #queue = new Queue()

  constructor(deps: {
    idpOf: (session: Session) => Idp
    sessions: Sessions
    leases: Leases
    clock: Clock
    /** Told of each renewal, and how it ended. */
    refreshed: (status: 'success' | 'refused' | 'unavailable') => void
  }) {
    this.#idpOf = deps.idpOf
    this.#sessions = deps.sessions
    this.#leases = deps.leases
    this.#clock = deps.clock
    this.#refreshed = deps.refreshed
  }

  /** The grant with an access token that has some life left. */
  fresh(session: Session): Promise<GrantAnswer<Grant>> {
    return this.#newer(session, (grant) => this.#alive(grant))
  }

  /** A grant newer than `stale`. */
  renew(session: Session, stale: Grant): Promise<GrantAnswer<Grant>> {
    return this.#newer(session, (grant) => grant.accessToken !== stale.accessToken)
  }

  /** A token for one resource straight from the refresh grant (RFC 8707 §2.2). */
  refreshForResource(
    session: Session,
    resource: string,
    scope: string,
    bound: boolean,
  ): Promise<GrantAnswer<IssuedToken>> {
    return this.#alone(session, async () => {
      await this.#sessions.check(session)
      return this.#send(session, async (grant) => {
        const answer = await this.#idpOf(session).refreshForResource(grant, resource, scope, bound)
        if (answer.kind !== 'ok') return answer
        const { issued, refreshToken } = answer.value
        const rotated = refreshToken !== undefined && refreshToken !== grant.refreshToken
        const kept = rotated ? await this.#keep(session, { ...grant, refreshToken }) : 'kept'
        return kept === 'ended'
          ? { kind: 'session_ended', reason: 'it ended while a token was minted' }
          : { kind: 'ok', value: issued }
      })
    })
  }

  /** The session's grant once it is `good`: as it is, as another process made it, or refreshed here. */
  async #newer(session: Session, good: (grant: Grant) => boolean): Promise<GrantAnswer<Grant>> {
    const here = (): GrantAnswer<Grant> | undefined => {
      if (session.ended) return { kind: 'session_ended', reason: 'it ended' }
      return good(session.grant) ? { kind: 'ok', value: session.grant } : undefined
    }
    return (
      here() ??
      this.#alone(session, async () => {
        await this.#sessions.check(session)
        return here() ?? this.#refresh(session)
      })
    )
  }

  async #alone<T>(session: Session, work: () => Promise<GrantAnswer<T>>): Promise<GrantAnswer<T>> {
    return this.#queue.run(session.ticket.id, async () => {
      // Looking is the work's own first step: what is good enough differs from caller to caller.
      const look = async () => undefined
      return answerOf(await this.#leases.run(session.ticket.id, 'grant', look, work))
    })
  }

  #alive({ accessExpiresAt }: Grant): boolean {
    return accessExpiresAt - this.#clock() > AHEAD_SECONDS
  }

  async #refresh(session: Session): Promise<GrantAnswer<Grant>> {
    if (session.grant.refreshToken === undefined) {
      // Without a refresh token (no offline_access) the access token serves to its very end.
      return session.grant.accessExpiresAt > this.#clock()
        ? { kind: 'ok', value: session.grant }
        : this.#end(session)
    }
    return this.#send(session, async (grant) => {
      const answer = await this.#idpOf(session).refresh(grant, this.#clock())
      this.#refreshed(answer.kind === 'ok' ? 'success' : answer.kind)
      if (answer.kind !== 'ok') return answer
      const { claims } = answer.value
      const user = claims === undefined ? session.user : userFrom(claims)
      // OpenID Connect Core §12.2: another subject is another login, whatever mixed them up.
      if (user.sub !== session.user.sub) return this.#end(session)
      const kept = await this.#keep(session, answer.value.grant, user)
      return kept === 'ended'
        ? { kind: 'session_ended', reason: 'it ended while it was renewed' }
        : { kind: 'ok', value: session.grant }
    })
  }

  /** Sends the refresh token; a refusal of one that another process has renewed is no refusal. */
  async #send<T>(
    session: Session,
    send: (grant: Grant) => Promise<GrantAnswer<T>>,
  ): Promise<GrantAnswer<T>> {
    for (let attempt = 0; ; attempt++) {
      if (session.ended) return { kind: 'session_ended', reason: 'it ended' }
      const { grant } = session
      const answer = await send(grant)
      if (answer.kind !== 'refused' || answer.error !== 'invalid_grant') return answer
      await this.#sessions.check(session)
      const stale = session.grant.refreshToken !== grant.refreshToken
      if (!stale || attempt > 0) return this.#end(session)
    }
  }

  /** The IdP has rotated: a store that falters now is asked again before the old token is worthless. */
  async #keep(
    session: Session,
    grant: Grant,
    user = session.user,
  ): Promise<'kept' | 'newer' | 'ended'> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#sessions.replaceGrant(session, grant, user)
      } catch (cause) {
        if (attempt === SAVE_ATTEMPTS) throw cause
        await new Promise((resolve) => setTimeout(resolve, SAVE_PAUSE_MS * 2 ** attempt))
      }
    }
  }

  /** A grant that the IdP has ended ends the session at once: no sliding on without it. */
  async #end(session: Session): Promise<GrantAnswer<never>> {
    await this.#sessions.end(session, 'grant_ended')
    return { kind: 'session_ended', reason: 'the IdP has ended its grant' }
  }
}

function answerOf<T>(outcome: LeaseOutcome<GrantAnswer<T>>): GrantAnswer<T> {
  switch (outcome.kind) {
    case 'done':
      return outcome.value
    case 'gone':
      return { kind: 'session_ended', reason: 'it ended' }
    case 'busy':
      return { kind: 'unavailable', reason: 'another node is renewing the grant' }
  }
}
