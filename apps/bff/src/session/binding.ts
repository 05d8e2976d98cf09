import type { IncomingMessage } from 'node:http'
import { isIPv4, isIPv6 } from 'node:net'
import { clientAddress } from '@audience-bridge/kit/proxies.ts'
import { agentFamily } from './agent.ts'
import type { Session, SessionBinding } from './session.ts'
import { keyedHash, type StoreKeys } from './ticket.ts'

/** `session.binding` of the settings, with what is needed to know an address. */
export interface BindingRules {
  agent: 'strict' | 'off'
  network: 'off' | 'count' | 'reauthorize' | 'strict'
  ipv4Bits: number
  ipv6Bits: number
  isTrustedProxy: (address: string) => boolean
}

export type BindingFault = 'user_agent' | 'network'

export type BindingVerdict =
  | { kind: 'fits' }
  /** This caller may not use the session; who began it may go on. */
  | { kind: 'refused'; fault: BindingFault }
  /** A silent login gives this caller a session of its own, if the IdP knows the browser. */
  | { kind: 'reauthorize'; fault: BindingFault }

const FITS: BindingVerdict = { kind: 'fits' }

type Request = Pick<IncomingMessage, 'socket' | 'headers'>

/** How many ways to come are known for a session. */
const MAX_ACCEPTED = 4
const NONE: readonly Accepted[] = []

/** What was found to fit, as it came: the next request of the same browser costs comparisons. */
interface Accepted {
  rules: BindingRules
  agent: string | undefined
  peer: string | undefined
  forwarded: string | string[] | undefined
}

/**
 * Ties a session to the browser and network of its login: a stolen cookie is worth less elsewhere.
 * What is kept are keyed hashes, so that a record tells neither. A caller that does not fit is
 * refused, and the session goes on: otherwise whoever has the cookie could sign its user out, and
 * the theft is told by the counter and the log, which name the session to end.
 */
export class SessionBindings {
  readonly #keys: StoreKeys
  readonly #failed: (fault: BindingFault, session: Session) => void
  /** A network may have several addresses, and a browser reach us by each in turn. */
  readonly #accepted = new WeakMap<Session, Accepted[]>()

  constructor(deps: {
    keys: StoreKeys
    /** Told of each request that is refused, and of each change of network that is only counted. */
    failed: (fault: BindingFault, session: Session) => void
  }) {
    this.#keys = deps.keys
    this.#failed = deps.failed
  }

  /** For a session that begins with this request: all of it, whatever is looked at today. */
  bind(request: Request, rules: BindingRules): SessionBinding {
    const { current } = this.#keys
    const agent = request.headers['user-agent']
    const prefix = prefixOf(addressOf(request, rules), rules)
    return {
      agent: agent === undefined ? undefined : hashAgent(current, agent),
      network: prefix && `${prefix.kind} ${hashNetwork(current, prefix)}`,
    }
  }

  /** Whether it is as it was when it last fitted; costs comparisons, and changes nothing. */
  knows(session: Session, { headers, socket }: Request, rules: BindingRules): boolean {
    const { remoteAddress: peer } = socket
    const agent = headers['user-agent']
    const forwarded = headers['x-forwarded-for']
    for (const seen of this.#accepted.get(session) ?? NONE) {
      if (seen.peer !== peer || seen.agent !== agent || seen.forwarded !== forwarded) continue
      if (seen.rules === rules) return true
    }
    return false
  }

  judge(session: Session, request: Request, rules: BindingRules): BindingVerdict {
    if (this.knows(session, request, rules)) return FITS
    const { headers, socket } = request
    const seen = {
      rules,
      agent: headers['user-agent'],
      peer: socket.remoteAddress,
      forwarded: headers['x-forwarded-for'],
    }
    if (rules.agent === 'strict' && !this.#fitsAgent(session, seen.agent)) {
      this.#failed('user_agent', session)
      return { kind: 'refused', fault: 'user_agent' }
    }
    if (rules.network !== 'off' && !this.#fitsNetwork(session, request, rules)) {
      this.#failed('network', session)
      if (rules.network !== 'count') {
        const kind = rules.network === 'strict' ? 'refused' : 'reauthorize'
        return { kind, fault: 'network' }
      }
    }
    const others = this.#accepted.get(session)?.filter((one) => one.rules === rules) ?? []
    this.#accepted.set(session, [seen, ...others.slice(0, MAX_ACCEPTED - 1)])
    return FITS
  }

  /** A login without a `User-Agent` bound nothing; one that comes without it later does not fit. */
  #fitsAgent({ binding }: Session, agent: string | undefined): boolean {
    if (binding.agent === undefined) return true
    if (agent === undefined) return false
    return this.#keys.all.some((key) => hashAgent(key, agent) === binding.agent)
  }

  /** By the bits of the login: another setting does not make everybody's network another one. */
  #fitsNetwork({ binding }: Session, request: Request, rules: BindingRules): boolean {
    const [family, bits, hash] = binding.network?.split(/[/ ]/) ?? []
    if (hash === undefined) return true
    const at = { ipv4Bits: Number(bits), ipv6Bits: Number(bits) }
    const prefix = prefixOf(addressOf(request, rules), at)
    if (prefix === undefined || prefix.kind !== `${family}/${bits}`) return false
    return this.#keys.all.some((key) => hashNetwork(key, prefix) === hash)
  }
}

/** Who sent a request, behind the trusted proxies. */
export const addressOf = (
  { socket, headers }: Request,
  { isTrustedProxy }: Pick<BindingRules, 'isTrustedProxy'>,
) =>
  clientAddress(socket.remoteAddress ?? '', headers['x-forwarded-for']?.toString(), isTrustedProxy)

const hashAgent = (key: Buffer, agent: string) =>
  keyedHash(key, 'binding agent', agentFamily(agent))

interface Prefix {
  /** `4/24`: what of which family. */
  kind: string
  bits: string
}

const hashNetwork = (key: Buffer, { kind, bits }: Prefix) =>
  keyedHash(key, 'binding network', `${kind} ${bits}`)

/** The leading bits of an address as text; undefined for what is none. */
export function prefixOf(
  address: string,
  rules: Pick<BindingRules, 'ipv4Bits' | 'ipv6Bits'>,
): Prefix | undefined {
  if (isIPv4(address)) {
    const bytes = address.split('.').map((part) => Number(part).toString(2).padStart(8, '0'))
    return { kind: `4/${rules.ipv4Bits}`, bits: bytes.join('').slice(0, rules.ipv4Bits) }
  }
  if (!isIPv6(address)) return undefined
  // The URL parser writes every address in one way.
  const [head = '', tail] = new URL(`http://[${address.split('%', 1)[0]}]`).hostname
    .slice(1, -1)
    .split('::')
  const groups = (text: string | undefined) =>
    text?.split(':').filter((group) => group !== '') ?? []
  const [front, back] = [groups(head), groups(tail)]
  const all = [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back]
  const bits = all.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
  return { kind: `6/${rules.ipv6Bits}`, bits: bits.join('').slice(0, rules.ipv6Bits) }
}
