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
  if (lazy || counted) return new PassedBody(exchange, counted ? max : Number.POSITIVE_INFINITY)
  exchange.bodyTaken = true
  return req
}

/** Ended by `TOO_LARGE` where it is, which lets the browser's connection live for the answer. */
class PassedBody extends Readable {
  readonly #exchange: Exchange
  #left: number

  constructor(exchange: Exchange, max: number) {
    super()
    this.#exchange = exchange
    this.#left = max
  }

  override _read(): void {
    const { req, bodyTaken } = this.#exchange
    if (!bodyTaken) {
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
