import type { Clock } from '@audience-bridge/kit/clock.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { BffConfig } from '../config.ts'
import type { Logins } from '../login/logins.ts'
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
  idp: Idp
  assertion: UserAssertion
  /** SHA-256 of the administrator's token; undefined: none is configured. */
  adminTokenHash: Buffer | undefined
  clock: Clock
  log: Logger
  /** Work that outlives its response; awaited when the BFF stops. */
  background: (work: Promise<unknown>) => void
}
