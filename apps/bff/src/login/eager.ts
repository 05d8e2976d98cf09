import type { Logger } from '@audience-bridge/kit/log.ts'
import type { BffConfig } from '../config.ts'
import type { Session } from '../session/session.ts'
import type { TokenBroker } from '../tokens/broker.ts'

/**
 * Mints the tokens of the eager services after the login's redirect went out, through the same
 * single flight as requests. A failure is logged and never fails the login.
 */
export async function mintEagerly(
  deps: { broker: TokenBroker; log: Logger },
  config: BffConfig,
  session: Session,
): Promise<void> {
  const mapped: string[] = []
  await Promise.all(
    config.eagerServices.map(async (service) => {
      const requirement = config.requirements.get(service)
      if (requirement === undefined) return
      const outcome = await deps.broker.tokenFor(session, requirement, config.version)
      if (outcome.kind === 'token') mapped.push(service)
      else {
        const why = 'reason' in outcome ? outcome.reason : outcome.found
        deps.log.warn(
          { service, outcome: outcome.kind, why },
          `eager mint failed service=${service}`,
        )
      }
    }),
  )
  mapped.sort()
  deps.log.info(
    { event: 'bff_service_tokens_mapped', services: mapped, config_version: config.version },
    `bff_service_tokens_mapped services=${mapped.join(',')}`,
  )
}
