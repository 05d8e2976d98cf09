import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { AnswerReader } from '../fast/answer-reader.ts'
import type { ResponseHead } from '../fast/response-head.ts'
import { lowerName } from '../proxy/header-names.ts'
import type { StreamRequest } from './stream-request.ts'

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants

/** RFC 9113 §8.2.2, and what RFC 8441 §5 leaves out of an accepted handshake. */
const NOT_RETURNED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'sec-websocket-accept',
])

/**
 * One stream of HTTP/2 as a connection of HTTP/1.1 with one request: what is read from it is the
 * request, and what is written to it goes back as the stream's answer. So there is one gateway behind
 * both protocols, with all of its rules, and none that holds for one of them alone.
 *
 * It is what the gateway needs of a `net.Socket`.
 */
export class StreamSocket extends Duplex {
  readonly encrypted = true
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly #stream: ServerHttp2Stream
  readonly #reader: AnswerReader
  readonly #chunked: boolean
  readonly #webSocket: boolean
  readonly #unreadMs: number
  /** Bytes that the stream has taken. */
  #passed = 0
  #received = 0
  #answering = false
  #idle: NodeJS.Timeout | undefined
  #idleMs = 0
  #written: Buffer[] = []

  constructor(
    stream: ServerHttp2Stream,
    { method, head, framing, webSocket }: StreamRequest,
    peer: Socket,
    /** How long the end of an answer may wait for the peer to read it. */
    unreadMs: number,
  ) {
    super({ allowHalfOpen: true })
    this.remoteAddress = peer.remoteAddress
    this.remotePort = peer.remotePort
    this.#stream = stream
    this.#unreadMs = unreadMs
    this.#chunked = framing === 'chunked'
    this.#webSocket = webSocket
    this.#reader = new AnswerReader(method, {
      head: (answer) => this.#respond(answer, answer.status),
      // A body's pieces stay: nobody writes to them again.
      data: (bytes, from, to) => void this.#written.push(bytes.subarray(from, to)),
      interim: (answer) => this.#inform(answer),
      ...(webSocket ? { switched: (answer: ResponseHead) => this.#respond(answer, 200) } : {}),
    })
    this.push(head, 'latin1')
    stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    stream.on('end', () => this.#ended())
    // Before what waits is read: nobody may ever read it.
    stream.on('aborted', () => this.destroy())
    stream.on('drain', () => this.#drained?.())
    stream.on('error', () => this.destroy())
    stream.on('close', () => this.destroy())
    // Nobody takes what is sent behind a request that has none.
    if (framing === 'none' && !webSocket) stream.resume()
    else stream.pause()
  }

  #drained: (() => void) | undefined

  /** As a `net.Socket` counts: what waits is written, too. */
  get bytesWritten(): number {
    return this.#passed + this.writableLength
  }

  /** Who sends next to nothing of a body is found by it. */
  get bytesRead(): number {
    return this.#received
  }

  #receive(bytes: Buffer): void {
    this.#moved()
    this.#received += bytes.length
    const more = this.#chunked
      ? this.push(
          Buffer.concat([
            Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1'),
            bytes,
            Buffer.from('\r\n'),
          ]),
        )
      : this.push(bytes)
    if (!more) this.#stream.pause()
  }

  /**
   * A request's end is not the connection's: whoever closes their side wants no answer any more. Node ends a stream
   * that was reset, too: a body of untold length that was given up would arrive as a whole one.
   */
  #ended(): void {
    if (this.#stream.closed) this.destroy()
    else if (this.#webSocket) this.push(null)
    // Without the trailer: no backend gets one, and none is put into words.
    else if (this.#chunked) this.push('0\r\n\r\n', 'latin1')
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#moved()
    if (this.#stream.destroyed) return done(new Error('the stream is closed'))
    try {
      this.#reader.read(chunk, 0, chunk.length)
    } catch (cause) {
      // A head that Node does not send by HTTP/2 is the backend's, and costs this answer alone.
      return done(cause instanceof Error ? cause : new Error('the answer cannot be sent'))
    }
    if (this.#reader.state === 'invalid') return done(new Error(this.#reader.reason))
    let room = true
    for (const piece of this.#written) room = this.#stream.write(piece)
    this.#written = []
    this.#passed += chunk.length
    const whole = this.#reader.state === 'done'
    if (room && !whole) return done()
    this.#drained = () => {
      this.#drained = undefined
      done()
    }
    if (whole) this.#finish()
  }

  override _final(done: (error?: Error | null) => void): void {
    // Until the connection's end: a body of no told length, or frames.
    const ends = this.#reader.close()
    if (this.#reader.state !== 'done') return done(new Error('the answer is not complete'))
    if (!ends) return done()
    this.#drained = () => {
      this.#drained = undefined
      done()
    }
    this.#finish()
  }

  override _destroy(cause: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#idle)
    const stream = this.#stream
    if (!stream.destroyed && !stream.closed) {
      const whole = this.#reader.state === 'done' && stream.writableFinished
      // Cut short, and to be seen as cut short.
      if (!whole) stream.close(this.#answering ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL)
      // RFC 9113 §8.1: an answer that is whole before its request asks for the rest no more.
      else if (!stream.readableEnded) stream.close(NGHTTP2_NO_ERROR)
    }
    this.#drained?.()
    // A peer that is gone is no error of ours.
    done(stream.destroyed ? null : cause)
  }

  #respond({ headers }: ResponseHead, status: number): void {
    if (this.#stream.headersSent || this.#stream.destroyed) return
    this.#answering = true
    // Node ends a stream before it resets it, and an answer of untold length that was cut short would
    // look whole. So the end is said here alone, and only where it is one.
    this.#stream.respond(this.#fieldsOf(headers, status), { waitForTrailers: true })
    this.#stream.once('wantTrailers', () => {
      if (this.#reader.state !== 'done') return
      this.#stream.sendTrailers(this.#grouped(this.#reader.trailers))
    })
  }

  #inform({ status, headers }: ResponseHead): void {
    if (!this.#stream.headersSent && !this.#stream.destroyed) {
      this.#stream.additionalHeaders(this.#fieldsOf(headers, status))
    }
  }

  #fieldsOf(headers: readonly string[], status: number): Record<string, string[] | number> {
    return { ':status': status, ...this.#grouped(headers) }
  }

  #grouped(raw: readonly string[]): Record<string, string[]> {
    const fields: Record<string, string[]> = {}
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = lowerName(raw[i] ?? '')
      if (NOT_RETURNED.has(name)) continue
      const values = fields[name]
      if (values === undefined) fields[name] = [raw[i + 1] ?? '']
      else values.push(raw[i + 1] ?? '')
    }
    return fields
  }

  /**
   * The answer counts as written once the peer's window has let all of it go: what a peer does not read
   * would be held for as long as it likes (a window of zero), and no one would look at it any more.
   */
  #finish(): void {
    const stream = this.#stream
    const late = setTimeout(() => this.destroy(), this.#unreadMs)
    stream.once('close', () => clearTimeout(late))
    stream.once('finish', () => {
      clearTimeout(late)
      this.#drained?.()
    })
    stream.end()
  }

  #moved(): void {
    this.#idle?.refresh()
  }

  setTimeout(ms: number, onTimeout?: () => void): this {
    clearTimeout(this.#idle)
    this.#idleMs = ms
    if (onTimeout !== undefined) this.once('timeout', onTimeout)
    if (ms > 0) this.#idle = setTimeout(() => this.emit('timeout'), ms)
    return this
  }

  get timeout(): number {
    return this.#idleMs
  }

  setNoDelay(): this {
    return this
  }

  /** The connection below has its own, one for all streams. */
  setKeepAlive(): this {
    return this
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  resetAndDestroy(): this {
    return this.destroy()
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}
