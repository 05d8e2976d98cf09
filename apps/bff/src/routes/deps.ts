import type { IncomingMessage } from 'node:http'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Live } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { BffConfig } from '../config.ts'
import type { TraceStore } from '../explain/trace-store.ts'
import type { Frontend } from '../frontends.ts'
import type { Logins } from '../login/logins.ts'
import type { Exchange } from '../proxy/exchange.ts'
import type { SessionBindings } from '../session/binding.ts'
import type { SessionDirectory } from '../session/directory.ts'
import type { Sessions } from '../session/sessions.ts'
import type { SessionStore } from '../session/store.ts'
import type { StoreKeys } from '../session/ticket.ts'
import type { TokenBroker } from '../tokens/broker.ts'
import type { Connections } from '../tokens/connection.ts'
import type { IdpAway, IdpRefusal } from '../tokens/idp-answer.ts'
import type { KeyRings } from '../tokens/key-rings.ts'
import type { LogoutVerdict } from '../tokens/logout-token.ts'
import type { Revocations } from '../tokens/revocations.ts'
import type { Group } from '../upstreams/group.ts'

/** What the BFF's own endpoints work with. */
export interface RouteDeps {
  config: () => BffConfig
  sessions: Sessions
  directory: SessionDirectory
  bindings: SessionBindings
  store: Pick<SessionStore, 'useOnce' | 'ping'>
  storeKeys: StoreKeys
  logins: Logins
  broker: TokenBroker
  /** By the issuer of a login or a session. */
  connections: Connections
  readLogoutToken: (token: string) => Promise<LogoutVerdict>
  revocations: Revocations
  keys: KeyRings
  clock: Clock
  log: Logger
  /** Work that outlives its response; awaited when the BFF stops. */
  background: (work: Promise<unknown>) => void
  /** Aborts when the BFF stops: what has no end of its own must end now. */
  stopping: AbortSignal
  /** What is known of the request behind a Fastify request. */
  exchangeOf: (raw: IncomingMessage) => Exchange | undefined
  /** The frontend whose host a request called. */
  frontendOf: (raw: IncomingMessage) => Frontend
  /** Counts a call of a sign-in's endpoints; headers for a caller who has to wait. */
  takeSignIn: (raw: IncomingMessage) => Record<string, string> | undefined
  traces: TraceStore
  /** What `/metrics` says: of all workers, whichever is asked. */
  metrics: { contentType: string; text(): Promise<string> }
  loginTook: (flowType: 'interactive' | 'silent', seconds: number) => void
  /** The state of the live configuration, and its reload by hand. */
  live: Pick<Live<BffConfig>, 'status' | 'reload'>
  /** What is known of a service's upstreams, where there is something to decide about them. */
  upstreamsOf: (service: string) => ReturnType<Group['view']> | undefined
  /** What a backend says of itself (RFC 9728). */
  readMetadata: (
    service: string,
    base: URL,
  ) => Promise<{ resource?: string; authorization_servers?: readonly string[] }>
}

/** For endpoints by which anybody may make work for the store and the IdP. */
export function refuseExcessSignIns(
  { takeSignIn }: Pick<RouteDeps, 'takeSignIn'>,
  { raw }: { raw: IncomingMessage },
): void {
  const headers = takeSignIn(raw)
  if (headers === undefined) return
  throw new ProblemError('RATE_LIMITED', 'too many sign-ins from your address; wait a moment', {
    headers,
  })
}

/** Remembers what the IdP answered to a login that failed, so that it can be explained. */
export function noteIdpAnswer(
  deps: Pick<RouteDeps, 'exchangeOf'>,
  request: { raw: IncomingMessage },
  answer: IdpRefusal | IdpAway,
): void {
  const exchange = deps.exchangeOf(request.raw)
  if (exchange === undefined) return
  exchange.token =
    answer.kind === 'unavailable'
      ? { source: 'none', idp_away: answer.reason }
      : {
          source: 'none',
          idp_error: answer.error,
          ...(answer.description === undefined ? {} : { idp_description: answer.description }),
        }
}
