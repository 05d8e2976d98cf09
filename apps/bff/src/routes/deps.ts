import type { IncomingMessage } from 'node:http'
import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Live } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { BffConfig } from '../config.ts'
import type { TraceStore } from '../explain/trace-store.ts'
import type { Logins } from '../login/logins.ts'
import type { Exchange } from '../proxy/exchange.ts'
import type { Sessions } from '../session/sessions.ts'
import type { UserAssertion } from '../tokens/assertion.ts'
import type { TokenBroker } from '../tokens/broker.ts'
import type { Idp } from '../tokens/idp.ts'

/** What the BFF's own endpoints work with. */
export interface RouteDeps {
  config: () => BffConfig
  sessions: Sessions
  logins: Logins
  broker: TokenBroker
  idp: () => Idp
  assertion: UserAssertion
  clock: Clock
  log: Logger
  /** Work that outlives its response; awaited when the BFF stops. */
  background: (work: Promise<unknown>) => void
  /** What is known of the request behind a Fastify request. */
  exchangeOf: (raw: IncomingMessage) => Exchange | undefined
  traces: TraceStore
  /** The state of the live configuration, and its reload by hand. */
  live: Pick<Live<BffConfig>, 'status' | 'reload'>
  /** What a backend says of itself (RFC 9728). */
  readMetadata: (
    base: URL,
  ) => Promise<{ resource?: string; authorization_servers?: readonly string[] }>
}

/** Remembers the IdP's refusal of a login, so that it can be explained. */
export function noteRefusal(
  deps: Pick<RouteDeps, 'exchangeOf'>,
  request: { raw: IncomingMessage },
  refusal: { error: string; description: string | undefined },
): void {
  const exchange = deps.exchangeOf(request.raw)
  if (exchange === undefined) return
  exchange.token = {
    source: 'none',
    idp_error: refusal.error,
    ...(refusal.description === undefined ? {} : { idp_description: refusal.description }),
  }
}
