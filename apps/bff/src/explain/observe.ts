import { hostname } from 'node:os'
import { type Explanation, explain } from '@audience-bridge/chain/explanation.ts'
import type { Observation, SessionSeen } from '@audience-bridge/chain/observation.ts'
import { PROBLEMS, type ProblemCode } from '@audience-bridge/contracts/problem.ts'
import type { Passage } from '../proxy/exchange.ts'
import type { RateRule } from '../rates.ts'

/** Names this node among those that share a store. */
const NODE = hostname()

/** What is known of a request, as data: never a token, a cookie or a secret. */
export function observe(exchange: Passage, status: number): Observation {
  const { route } = exchange.route ?? {}
  return {
    id: exchange.correlationId,
    at: new Date().toISOString(),
    node: NODE,
    method: exchange.method,
    path: exchange.path.slice(0, 2048),
    status,
    elapsed_ms: Math.round((performance.now() - exchange.startedAt) * 10) / 10,
    config_version: exchange.config.version,
    ...(exchange.problem === undefined ? {} : { problem: exchange.problem }),
    ...(route === undefined ? {} : { route: route.id, service: route.target_service }),
    frontend: exchange.frontend.name,
    ...(exchange.edge === undefined ? {} : { edge: exchange.edge }),
    ...(exchange.originSeen === undefined ? {} : { origin: exchange.originSeen }),
    ...(exchange.sessionState === undefined ? {} : { session: sessionSeen(exchange) }),
    ...(exchange.csrfFault === undefined ? {} : { csrf_fault: exchange.csrfFault }),
    ...(exchange.rate === undefined ? {} : { rate: rateSeen(exchange.rate, exchange) }),
    ...(exchange.storeFault === undefined ? {} : { store_fault: exchange.storeFault }),
    ...(exchange.token === undefined ? {} : { token: exchange.token }),
    ...(exchange.trace === undefined ? {} : { trace_id: exchange.trace.traceId }),
    ...(exchange.upstream === undefined ? {} : { upstream: exchange.upstream }),
  }
}

const rateSeen = ({ per, policy }: RateRule, { problem }: Passage) => ({
  ...{ per, policy, refused: problem === 'RATE_LIMITED' },
})

function sessionSeen({ sessionState, sessionEnded, bindingFault, session }: Passage): SessionSeen {
  const why = {
    ...(sessionEnded === undefined ? {} : { ended: sessionEnded }),
    ...(bindingFault === undefined ? {} : { binding_fault: bindingFault }),
  }
  if (session === undefined) return { state: sessionState ?? 'none', ...why }
  return {
    state: sessionState ?? 'live',
    ...why,
    subject: session.user.sub,
    issuer: session.issuer,
    ...(session.raised ? { raised: true } : {}),
    age_seconds: Math.max(0, Math.floor(Date.now() / 1000) - session.createdAt),
    granted_scopes: session.grant.scopes,
    requested_scopes: session.requested.scopes,
  }
}

/** The explanation of a request that is about to be answered with a problem. */
export function explainExchange(exchange: Passage, code: ProblemCode): Explanation {
  return explainObservation(exchange, observe(exchange, PROBLEMS[code].status))
}

/** A login has no route: the links of the files that concern it are those of any chain. */
export function explainObservation(
  { config }: Pick<Passage, 'config'>,
  observation: Observation,
): Explanation {
  const chain =
    observation.route === undefined
      ? observation.path.startsWith('/auth/')
        ? config.chains.values().next().value
        : undefined
      : config.chains.get(observation.route)
  return explain(config.bridge, chain, observation)
}
