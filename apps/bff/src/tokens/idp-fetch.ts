import { Agent, fetch as undiciFetch } from 'undici'
import { Circuit } from './circuit.ts'
import { Turnstile } from './turnstile.ts'

/*
 * The one way from the BFF to an IdP. An IdP that is away costs each caller nothing: calls fail at once
 * until one probe got through (circuit.ts). One that comes back is not trampled down: at most 64 calls
 * that make it work are under way, the others wait their turn within their own timeout.
 *
 * The attack: anybody may begin logins without being anybody, as many as they like. Had these the
 * same places, and did an IdP that has enough of them (429) pause all, strangers would keep those who
 * are signed in from their tokens. So logins have few places and a short queue, and a 429 pauses the
 * calls of its kind alone.
 */

/** PEM texts: who we are on the connection (RFC 8705), and whom we believe. */
export interface TlsIdentity {
  cert: string
  key: string
  /** Undefined: the authorities that Node knows. */
  ca: string | undefined
}

export interface IdpObserver {
  /** @param status of HTTP, or how it failed. */
  request(endpoint: string, status: string): void
}

export interface IdpFetch {
  fetch: typeof fetch
  readonly isUp: boolean
  /** In how many seconds it is worth trying again; at least 1. */
  readonly retryAfterSeconds: number
}

/** The call was not made, or nobody answered it. */
export class IdpUnreachable extends TypeError {}

const CALLS_AT_ONCE = 64
const LOGINS_AT_ONCE = 8
const LOGINS_WAITING = 32
const MAX_BYTES = 1024 * 1024
const CONNECT_MS = 3000
/** Answers of whatever stands before an IdP that is away. */
const AWAY = new Set([502, 503, 504])
/** Of one that is there and has too much to do. */
const TOO_MANY = 429

export function createIdpFetch(tls: TlsIdentity | undefined, observer: IdpObserver): IdpFetch {
  const circuit = new Circuit()
  const lanes = {
    // Cheap, and a probe must not stand behind those that wait for nothing.
    document: { circuit: new Circuit(), turnstile: new Turnstile(Infinity) },
    login: { circuit: new Circuit(), turnstile: new Turnstile(LOGINS_AT_ONCE, LOGINS_WAITING) },
    token: { circuit: new Circuit(), turnstile: new Turnstile(CALLS_AT_ONCE) },
  }
  const dispatcher = new Agent({
    connect: {
      timeout: CONNECT_MS,
      ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key }),
      ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    },
  })
  const heldBack = () => new IdpUnreachable('it did not answer just now; not asked again yet')

  const ask: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    const endpoint = endpointOf(url)
    const signal = init?.signal ?? undefined
    const lane = lanes[kindOf(init)]
    const { turnstile } = lane
    const pass = circuit.enter()
    const turn = pass && lane.circuit.enter()
    if (pass === undefined || turn === undefined) {
      pass?.end({ kind: 'unsaid' })
      observer.request(endpoint, 'held_back')
      throw heldBack()
    }
    const probe = pass.probe || turn.probe
    let leave: (() => void) | undefined
    let sent = false
    try {
      if (!probe) {
        if (turnstile.isFull) throw new IdpUnreachable('too many logins have begun at once')
        leave = await turnstile.enter(signal)
        // Others have learnt meanwhile that it is away.
        if (!circuit.isUp || !lane.circuit.isUp) throw heldBack()
      }
      sent = true
      const answer = await undiciFetch(url, {
        ...(init as Parameters<typeof undiciFetch>[1]),
        dispatcher,
      })
      const body = await readBody(answer)
      observer.request(endpoint, String(answer.status))
      const { status } = answer
      const down = { kind: 'down', waitMs: askedWait(answer) } as const
      pass.end(AWAY.has(status) ? down : { kind: 'up' })
      turn.end(status === TOO_MANY ? down : { kind: 'up' })
      const empty = body.length === 0 || status === 204 || status === 304
      return new Response(empty ? null : new Uint8Array(body), {
        status,
        headers: [...answer.headers],
      })
    } catch (cause) {
      // Who gave up while waiting for a turn has learnt nothing of the IdP.
      pass.end(sent ? { kind: 'down' } : { kind: 'unsaid' })
      turn.end({ kind: 'unsaid' })
      if (sent) observer.request(endpoint, signal?.aborted ? 'timeout' : 'unreachable')
      else observer.request(endpoint, 'held_back')
      throw cause
    } finally {
      if (!circuit.isUp) for (const one of Object.values(lanes)) one.turnstile.clear(heldBack)
      else if (!lane.circuit.isUp) turnstile.clear(heldBack)
      leave?.()
    }
  }
  return {
    fetch: ask,
    get isUp() {
      return circuit.isUp && lanes.token.circuit.isUp
    },
    get retryAfterSeconds() {
      const waits = [circuit, lanes.login.circuit, lanes.token.circuit].map(({ waitMs }) => waitMs)
      return Math.max(1, Math.ceil(Math.max(...waits) / 1000))
    },
  }
}

/** What a browser without a session can make us send is a login: PAR, and the redeeming of a code. */
function kindOf(init: RequestInit | undefined): 'document' | 'login' | 'token' {
  if (init?.method !== 'POST') return 'document'
  const { body } = init
  if (!(body instanceof URLSearchParams)) return 'token'
  const isLogin = body.has('response_type') || body.get('grant_type') === 'authorization_code'
  return isLogin ? 'login' : 'token'
}

/** `token`, `par`, `jwks`: the last word of the path, which the IdP's own metadata chose. */
function endpointOf(url: string): string {
  const word = new URL(url).pathname.split('/').filter(Boolean).at(-1) ?? ''
  if (word === 'openid-configuration' || word === 'oauth-authorization-server') return 'discovery'
  return word.slice(0, 32)
}

/** `Retry-After` in milliseconds, where it is given in seconds or as a date (RFC 9110 §10.2.3). */
function askedWait({ headers }: { headers: { get(name: string): string | null } }) {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** @throws when it never ends: what answers so is no IdP. */
async function readBody({ body }: Awaited<ReturnType<typeof undiciFetch>>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) throw new IdpUnreachable(`its answer is longer than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
