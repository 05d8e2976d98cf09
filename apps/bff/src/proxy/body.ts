import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Exchange, Passage } from './exchange.ts'
import { TOO_LARGE } from './upstream.ts'

/** RFC 9112 §6.3: a request has a body exactly when its head frames one. */
export function hasBody({ req }: Passage): boolean {
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** The largest body that the passage's service takes; undefined: any size. */
export const maxBodyBytes = ({ config, route }: Passage): number | undefined =>
  config.bridge.routes.services[route?.route.target_service ?? '']?.max_body_bytes

/** Whether the head says that its body is larger than its service takes; a chunked one says nothing. */
export function saysTooMuch(passage: Passage): boolean {
  const max = maxBodyBytes(passage)
  return max !== undefined && Number(passage.req.headers['content-length'] ?? 0) > max
}

/**
 * The exchange's body for one attempt to send it.
 *
 * @param lazy nothing of it is read before somebody asks: an attempt that comes to nothing leaves it whole.
 */
export function bodyFor(exchange: Exchange, lazy: boolean): Readable | undefined {
  if (!hasBody(exchange)) return undefined
  const { req } = exchange
  const max = maxBodyBytes(exchange)
  // A length that was told is kept to by the parser.
  const counted = max !== undefined && req.headers['transfer-encoding'] !== undefined
  if (!lazy) exchange.bodyTaken = true
  return new PassedBody(exchange, counted ? max : Number.POSITIVE_INFINITY)
}

/** How long the rest of a body that nobody wants is read, so that its sender comes to read the answer. */
const LINGER_MS = 5_000

/**
 * Reads what is left of a request that has been answered: the sender may have another one ready behind
 * it, on the same connection.
 */
export function dropRest(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return
  req.resume()
  // The attack: a body without end, which would be read for nobody as long as it comes.
  const late = setTimeout(() => req.socket.destroy(), LINGER_MS)
  late.unref()
  req.once('close', () => clearTimeout(late))
}

/**
 * What the backend gets of it. Its end is not that of the request: whoever sends to a backend destroys
 * the body when the backend fails, and with the request would go the browser's connection, on which
 * the answer is under way or the next request has come already.
 */
class PassedBody extends Readable {
  readonly #exchange: Exchange
  #left: number
  #begun = false

  constructor(exchange: Exchange, max: number) {
    super()
    this.#exchange = exchange
    this.#left = max
  }

  override _read(): void {
    const { req } = this.#exchange
    if (!this.#begun) {
      this.#begun = true
      this.#exchange.bodyTaken = true
      req.on('data', this.#onData)
      req.once('end', () => this.push(null))
      req.once('error', (cause) => this.destroy(cause))
    }
    req.resume()
  }

  readonly #onData = (chunk: Buffer) => {
    this.#left -= chunk.length
    if (this.#left < 0) this.destroy(TOO_LARGE)
    else if (!this.push(chunk)) this.#exchange.req.pause()
  }

  override _destroy(cause: Error | null, done: (cause?: Error | null) => void): void {
    this.#exchange.req.off('data', this.#onData)
    done(cause)
  }
}
