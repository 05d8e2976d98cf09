import type { FastifyRequest } from 'fastify'
import type { BffConfig } from '../config.ts'
import type { BindingFault } from '../session/binding.ts'
import { findSession } from '../session/lookup.ts'
import type { Session } from '../session/session.ts'
import type { SessionLookup } from '../session/sessions.ts'
import type { RouteDeps } from './deps.ts'

export type OwnLookup =
  | SessionLookup
  /** A session that this caller may not use; `replaceable`: a silent login would take its place. */
  | { kind: 'elsewhere'; session: Session; fault: BindingFault; replaceable: boolean }

/** The session of a request to one of the BFF's own endpoints, if this caller may use it. */
export async function findOwnSession(
  deps: Pick<RouteDeps, 'sessions' | 'bindings' | 'exchangeOf' | 'frontendOf'>,
  request: FastifyRequest,
  config: BffConfig,
): Promise<OwnLookup> {
  const frontend = deps.frontendOf(request.raw)
  const found = await findSession(deps.sessions, { frontend, config }, request.headers.cookie)
  if (found.kind !== 'session') return found
  const { session } = found
  const verdict = deps.bindings.judge(session, request.raw, config.binding)
  if (verdict.kind === 'fits') return found
  const exchange = deps.exchangeOf(request.raw)
  if (exchange !== undefined) {
    exchange.sessionState = 'elsewhere'
    exchange.bindingFault = verdict.fault
  }
  const replaceable = verdict.kind === 'reauthorize'
  return { kind: 'elsewhere', session, fault: verdict.fault, replaceable }
}
