import type { Group } from '../upstreams/group.ts'
import type { Groups } from '../upstreams/groups.ts'
import type { Turn } from '../upstreams/turn.ts'
import type { Exchange, Passage } from './exchange.ts'
import type { Switched } from './handshake.ts'
import { REQUIRED_SCOPE_HEADER } from './header-names.ts'
import { headerOf } from './headers.ts'
import { scopeChallenge } from './rejection.ts'
import { type AnswerHead, IDEMPOTENT, type UpstreamAnswer } from './upstream.ts'

export interface AskDeps {
  groups: Groups
}

/** The upstreams of a passage's service; undefined where there is nothing to decide about them. */
export function groupOf({ groups }: AskDeps, { config, route }: Passage): Group | undefined {
  const group = groups.of(config).get(route?.route.target_service ?? '')
  return group?.isPlain ? undefined : group
}

/**
 * Takes one of the service's slots until the answer is over, or the WebSocket is open; waits its turn.
 * What the fast path has begun had one: it is told in any case.
 *
 * @returns whether there is one now.
 */
export async function takeSlot(
  deps: AskDeps,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<'free' | 'none'> {
  const group = groupOf(deps, exchange)
  const slots = group?.rules.slots && group.slots
  if (slots === undefined) return 'free'
  const { res, begun } = exchange
  const how = begun === undefined ? await slots.wait(signal) : slots.tryTake() ? 'free' : 'begun'
  if (how === 'begun') return 'free'
  if (how === 'free') {
    let given = false
    const give = () => {
      if (!given) slots.give()
      given = true
    }
    res.once('close', give)
    if (exchange.upgrade !== undefined) res.once('finish', give)
    if (res.closed) give()
    return 'free'
  }
  if (how === 'aborted') return 'none'
  const { requests, queue } = group?.rules.slots ?? { requests: 0, queue: 0 }
  const reason = `${requests} requests under way, ${how === 'full' ? `${queue} waiting` : 'and none ended in time'}`
  const base_url = group?.endpoints[0]?.base.href ?? ''
  exchange.upstream = { base_url, attempts: 0, failure: 'full', reason }
  return 'none'
}

/**
 * Asks an upstream of the exchange's service and, where that may help and harms nobody, another one.
 *
 * @param base of the service's first upstream.
 * @param send asks one, once.
 */
export async function ask(
  deps: AskDeps,
  exchange: Exchange,
  base: URL,
  send: (base: URL) => Promise<UpstreamAnswer | Switched>,
): Promise<UpstreamAnswer | Switched> {
  const group = groupOf(deps, exchange)
  // Told once: a request that is repeated with another token is asked anew.
  const told = exchange.upgrade === undefined && exchange.upstream === undefined
  const begun = told ? exchange.begun : undefined
  if (begun !== undefined) noteAnswer(exchange, begun.base, begun.answer)
  if (group === undefined) return begun?.answer ?? send(base)

  let answer: UpstreamAnswer | Switched | undefined = begun?.answer
  let failed = begun?.base
  for (let sent = begun === undefined ? 0 : 1; ; sent++) {
    const now = performance.now()
    if (answer !== undefined) {
      const again = !exchange.bodyTaken && mayRepeat(exchange, answer) && group.mayRetry(sent, now)
      if (!again || exchange.res.destroyed) return answer
    }
    const turn = group.take(now, failed)
    if (turn === undefined) return answer ?? suspended(exchange, group, base, now)
    failed = turn.endpoint.base
    answer = await takeTurn(exchange, turn, send)
  }
}

async function takeTurn(
  { res }: Exchange,
  turn: Turn,
  send: (base: URL) => Promise<UpstreamAnswer | Switched>,
): Promise<UpstreamAnswer | Switched> {
  const over = () => turn.leave()
  res.once('close', over)
  const answer = await send(turn.endpoint.base).catch((cause: unknown) => {
    turn.leave()
    throw cause
  })
  if (answer.kind === 'response' || answer.kind === 'switched') {
    turn.heard(answer.status)
    if (res.closed) turn.leave()
    return answer
  }
  if ('reason' in answer) turn.failed(`${answer.kind}: ${answer.reason}`)
  turn.leave()
  res.off('close', over)
  return answer
}

/** May come after the request as well: a broken record where the answer to a done POST was to be. */
const MID_TLS = /^(ERR_SSL_|EPROTO)/

/**
 * Whether a request may be sent again: it never arrived, or asking twice is as good as once (RFC 9110
 * §9.2.2). Once anything was answered, it may not: that answer is the answer.
 */
function mayRepeat({ method }: Exchange, answer: UpstreamAnswer | Switched): boolean {
  switch (answer.kind) {
    case 'tls':
      return IDEMPOTENT.has(method) || !MID_TLS.test(answer.reason)
    case 'unreachable':
      return answer.unsent === true || IDEMPOTENT.has(method)
    case 'timeout':
      return IDEMPOTENT.has(method)
    default:
      return false
  }
}

function suspended(exchange: Exchange, group: Group, base: URL, now: number): UpstreamAnswer {
  const answer = { kind: 'suspended', ...group.suspended(now) } as const
  noteAnswer(exchange, base, answer)
  return answer
}

const FAILURES = {
  unreachable: 'refused',
  timeout: 'timeout',
  tls: 'tls',
  invalid: 'invalid',
  suspended: 'suspended',
} as const

/** Notes what came of asking a backend, for explanations and events. */
export function noteAnswer(
  passage: Passage,
  base: URL,
  answer: AnswerHead | Switched | Exclude<UpstreamAnswer, { kind: 'response' }>,
): void {
  if (answer.kind === 'aborted' || answer.kind === 'too_large') return
  passage.upstreamMs = performance.now() - passage.startedAt - passage.decisionMs
  passage.upstream = {
    base_url: base.href,
    attempts: (passage.upstream?.attempts ?? 0) + (answer.kind === 'suspended' ? 0 : 1),
    ...(answer.kind === 'response' || answer.kind === 'switched'
      ? {
          status: answer.status,
          ...requiredScope(answer.headers),
          ...(answer.status === 403 ? scopeChallenge(answer) : {}),
        }
      : { failure: FAILURES[answer.kind], reason: answer.reason }),
  }
}

/** What the backend says this call needed (packages/resource-server); stripped from the answer. */
function requiredScope(raw: readonly string[]): { required_scope?: string } {
  const scope = headerOf(raw, REQUIRED_SCOPE_HEADER)
  return scope === undefined ? {} : { required_scope: scope.slice(0, 256) }
}
