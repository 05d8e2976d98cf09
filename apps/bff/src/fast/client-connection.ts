import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { BffConfig } from '../config.ts'
import { noteAnswer } from '../proxy/ask.ts'
import type { Begun } from '../proxy/exchange.ts'
import { lowerName } from '../proxy/header-names.ts'
import { lastWithSession, MOMENT_MS } from '../proxy/lasting.ts'
import { answerHeaders } from '../proxy/reply.ts'
import { IDEMPOTENT, type UpstreamAnswer } from '../proxy/upstream.ts'
import type { Channels } from '../session/channels.ts'
import { type SettleDeps, settle } from '../settle.ts'
import { type AdmitDeps, type Admitted, admit } from './admit.ts'
import type { BackendConnection, Caller, Failure } from './backend-connection.ts'
import type { BackendPool } from './backend-pool.ts'
import type { CoarseClock } from './coarse-clock.ts'
import { MAX_HEAD_BYTES, readRequest } from './request-head.ts'
import type { ResponseHead } from './response-head.ts'
import { utcDate } from './utc-date.ts'

export interface FastDeps {
  config: () => BffConfig
  admit: AdmitDeps
  channels: Channels
  settle: SettleDeps
  log: Logger
  pool: BackendPool
  clock: CoarseClock
  /** Gives the connection to Node's HTTP server, which reads these bytes first. */
  handOver: (connection: ClientConnection, socket: Socket, bytes: Buffer, begun?: Begun) => void
  closed: (connection: ClientConnection) => void
  /** No connection is to be kept for another request. */
  stopping: () => boolean
  /** How long a connection may wait for its first request. */
  firstMs: () => number
  /** How long it may wait for the next one, as the browser is told; it gets a little longer. */
  idleMs: () => number
  /** How long it may read nothing of what waits for it. */
  unreadMs: () => number
}

/** A request is held until it is whole; one with a larger body streams through the HTTP server. */
const MAX_HELD_BYTES = 65_536
/** How often, and how long, an incomplete request may be looked at again. */
const MAX_PIECES = 8
const PIECES_MS = 500
/** What a client may send ahead while its request is under way; requests that follow are few bytes. */
const MAX_AHEAD_BYTES = 262_144
/** Between what the browser is told and the end: a request may be on its way. */
const IDLE_MARGIN_MS = 1000
/** Small pieces of an answer are written together. */
const GATHER_BYTES = 16_384
/** Above, the backend waits until the client has read. */
const HELD_BACK_BYTES = 262_144
const NEVER = Number.POSITIVE_INFINITY

/**
 * A browser's connection, as long as simple requests come: each is judged, sent on, and answered with
 * what comes back, without Node's HTTP server. The first request that is anything else takes the
 * connection over there with it, for good.
 */
export class ClientConnection implements Caller {
  readonly #socket: Socket
  readonly #deps: FastDeps
  /** What has come and was not taken yet. */
  #bytes: Buffer | undefined
  #pieces = 0
  /** Bytes that had left for the client when it was last looked at. */
  #taken = 0
  #deadline: number
  #admitted: Admitted | undefined
  #backend: BackendConnection | undefined
  /** The request under way as it came, until its answer begins. */
  #request: Buffer | undefined
  /** When the request under way has lasted: it then ends with its session. */
  #lastsAt = NEVER
  #leaveChannel: (() => void) | undefined
  #keepAlive = true
  #retried = false
  #chunked = false
  #held = false
  /** Of the answer, and not written yet. */
  #out = ''

  constructor(socket: Socket, deps: FastDeps) {
    this.#socket = socket
    this.#deps = deps
    this.#deadline = deps.clock.after(deps.firstMs())
    socket.on('data', this.#onData).on('drain', this.#onDrain).on('end', this.#onEnd)
    socket.on('error', this.#onError).on('close', this.#onClose)
  }

  readonly #onData = (bytes: Buffer) => this.#receive(bytes)
  readonly #onDrain = () => this.#drained()
  /** As in Node's HTTP server: whoever ends its side wants no answer any more. */
  readonly #onEnd = () => this.#socket.end()
  readonly #onError = () => this.#socket.destroy()
  readonly #onClose = () => this.#closed()

  get idle(): boolean {
    return this.#admitted === undefined
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Ends it if no request is under way. */
  endIfIdle(): void {
    if (this.idle && this.#bytes === undefined) this.#socket.destroy()
  }

  /** What the clock finds: a request that does not become whole, or a client that does not read. */
  look(now: number): void {
    if (now >= this.#lastsAt) this.#lasts()
    if (now < this.#deadline || this.#isReading()) return
    const waiting = this.idle && this.#socket.readable && this.#socket.writable
    if (waiting && this.#bytes !== undefined) this.#handOver(this.#bytes)
    else this.#socket.destroy()
  }

  /** A client that has taken something since the last time is slow, and not gone. */
  #isReading(): boolean {
    const unsent = this.#socket.writableLength
    const taken = this.#socket.bytesWritten - unsent
    if (unsent === 0 || taken === this.#taken) return false
    this.#taken = taken
    this.#deadline = this.#deps.clock.after(this.#deps.unreadMs())
    return true
  }

  #receive(bytes: Buffer): void {
    // Behind a request that asked for the end there is nothing to be read.
    if (!this.#socket.writable) return
    const whole = this.#bytes === undefined ? bytes : Buffer.concat([this.#bytes, bytes])
    if (this.idle) return this.#next(whole)
    this.#bytes = whole
    // Reading goes on under way, or the end of the client would not be noticed.
    if (whole.length > MAX_AHEAD_BYTES) this.#socket.destroy()
  }

  #next(bytes: Buffer): void {
    const { clock } = this.#deps
    const config = this.#deps.config()
    this.#bytes = undefined
    if (!config.bridge.settings.server.fast_path) return this.#handOver(bytes)
    const request = readRequest(bytes.toString('latin1', 0, MAX_HEAD_BYTES))
    if (request.kind === 'declined') return this.#handOver(bytes)
    const size = request.kind === 'more' ? 0 : request.headBytes + request.fields.bodyBytes
    if (request.kind === 'more' || bytes.length < size) {
      const hopeless = bytes.length >= MAX_HEAD_BYTES && request.kind === 'more'
      if (hopeless || size > MAX_HELD_BYTES || ++this.#pieces > MAX_PIECES) {
        return this.#handOver(bytes)
      }
      if (this.#pieces === 1) this.#deadline = clock.after(PIECES_MS)
      this.#bytes = bytes
      return
    }
    this.#pieces = 0
    const body =
      request.fields.bodyBytes === 0 ? undefined : bytes.subarray(request.headBytes, size)
    const admitted = admit(this.#deps.admit, config, request, this.#socket, body)
    if (admitted === undefined) return this.#handOver(bytes)
    this.#request = bytes.length === size ? bytes : bytes.subarray(0, size)
    this.#bytes = bytes.length === size ? undefined : bytes.subarray(size)
    this.#admitted = admitted
    this.#keepAlive = request.fields.keepAlive
    this.#retried = false
    this.#deadline = NEVER
    this.#backend = this.#deps.pool.ask(admitted.base, this, admitted.question)
    if (admitted.passage.route?.route.streaming) this.#lasts()
    else this.#lastsAt = clock.after(MOMENT_MS)
  }

  #lasts(): void {
    this.#lastsAt = NEVER
    if (this.#admitted === undefined) return
    this.#leaveChannel = lastWithSession(this.#deps.channels, this.#admitted.passage, {
      abort: () => {
        this.#backend?.drop()
        this.#leaveTo({ kind: 'aborted' })
      },
      // By a reset: a clean end may be that of the body, and would say "whole".
      cut: () => this.#socket.resetAndDestroy(),
    })
  }

  /** The request is over, or no longer ours. */
  #leave({ leave }: Admitted): void {
    leave()
    this.#lastsAt = NEVER
    this.#leaveChannel?.()
    this.#leaveChannel = undefined
  }

  head(head: ResponseHead): void {
    const admitted = this.#admitted
    if (admitted === undefined) return
    const { passage, credentials, base, turn } = admitted
    const { status, headers } = head
    turn?.heard(status)
    if (status === 401 && credentials.token !== undefined) {
      this.#backend?.drop()
      return this.#leaveTo({ kind: 'response', status, headers, body: Readable.from([]) })
    }
    noteAnswer(passage, base, { kind: 'response', status, headers })
    const bodiless = passage.method === 'HEAD' || status === 204 || status === 304
    this.#chunked = !bodiless && head.length === undefined
    this.#keepAlive &&= !this.#deps.stopping()
    let out = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
    let dated = false
    const cleaned = answerHeaders(passage, { kind: 'response', status, headers })
    for (let i = 0; i + 1 < cleaned.length; i += 2) {
      const name = cleaned[i] ?? ''
      const lower = lowerName(name)
      // How the body is framed is said once, below.
      if (lower === 'content-length') continue
      if (lower === 'date') dated = true
      out += `${name}: ${cleaned[i + 1]}\r\n`
    }
    if (!dated) out += `Date: ${utcDate()}\r\n`
    if (head.length !== undefined) out += `Content-Length: ${head.length}\r\n`
    else if (this.#chunked) out += 'Transfer-Encoding: chunked\r\n'
    const idleSeconds = Math.floor(this.#deps.idleMs() / 1000)
    out += this.#keepAlive
      ? `Connection: keep-alive\r\nKeep-Alive: timeout=${idleSeconds}\r\n\r\n`
      : 'Connection: close\r\n\r\n'
    this.#out = out
    passage.res.statusCode = status
  }

  data(bytes: Buffer, from: number, to: number): void {
    const size = to - from
    if (this.#out.length + size <= GATHER_BYTES) {
      const text = bytes.toString('latin1', from, to)
      this.#out += this.#chunked ? `${size.toString(16)}\r\n${text}\r\n` : text
      return
    }
    this.#socket.cork()
    if (this.#chunked) this.#out += `${size.toString(16)}\r\n`
    this.#write()
    this.#socket.write(Buffer.from(bytes.subarray(from, to)))
    if (this.#chunked) this.#out = '\r\n'
    this.#socket.uncork()
  }

  flush(): void {
    this.#write()
    if (this.#socket.writableLength <= HELD_BACK_BYTES || this.#held) return
    this.#held = true
    this.#backend?.hold()
    this.#deadline = this.#deps.clock.after(this.#deps.unreadMs())
  }

  end(): void {
    this.#backend = undefined
    if (this.#chunked) this.#out += '0\r\n\r\n'
    this.#write()
    if (this.#socket.writableLength === 0) return this.#finished()
    this.#deadline = this.#deps.clock.after(this.#deps.unreadMs())
    this.#socket.write('', () => this.#finished())
  }

  /** Sends what was gathered; from the first time on, the answer is the backend's. */
  #write(): void {
    if (this.#out === '') return
    this.#socket.write(this.#out, 'latin1')
    this.#out = ''
    this.#request = undefined
    if (this.#admitted !== undefined) this.#admitted.passage.res.headersSent = true
  }

  failed(failure: Failure, idle: boolean): void {
    const admitted = this.#admitted
    this.#backend = undefined
    if (admitted === undefined) return
    const { passage, base, question, turn } = admitted
    if (passage.res.headersSent) {
      // Cut short, and to be seen as cut short.
      this.#socket.destroy()
      const { correlationId } = passage
      const reason = failure.reason
      this.#deps.log.warn({ correlation_id: correlationId, reason }, 'response cut short')
      return
    }
    // An idle connection may close in the moment of writing: once more, if nothing can have been done twice.
    if (idle && !this.#retried && IDEMPOTENT.has(question.method)) {
      this.#retried = true
      this.#backend = this.#deps.pool.ask(base, this, question, true)
      return
    }
    turn?.failed(`${failure.kind}: ${failure.reason}`)
    this.#leaveTo(failure)
  }

  /** The answer is the gateway's to give: the HTTP server goes on from here. */
  #leaveTo(answer: UpstreamAnswer): void {
    const admitted = this.#admitted
    const request = this.#request
    if (admitted === undefined || request === undefined) return
    const { credentials, base } = admitted
    // Gone meanwhile: there is nobody to tell, and nothing more to be read.
    if (!this.#socket.readable || !this.#socket.writable) {
      this.#socket.destroy()
      return
    }
    const { correlationId, startedAt, trace, sessionEnded } = admitted.passage
    this.#admitted = undefined
    this.#backend = undefined
    this.#leave(admitted)
    this.#out = ''
    const bytes = this.#bytes === undefined ? request : Buffer.concat([request, this.#bytes])
    this.#handOver(bytes, {
      ...{ correlationId, startedAt, credentials, trace, sessionEnded, answer, base },
    })
  }

  #finished(): void {
    const admitted = this.#admitted
    if (admitted === undefined || this.#socket.destroyed) return
    this.#admitted = undefined
    this.#held = false
    admitted.passage.res.writableFinished = true
    this.#leave(admitted)
    settle(this.#deps.settle, admitted.passage)
    if (!this.#keepAlive || this.#deps.stopping()) {
      this.#deadline = this.#deps.clock.after(PIECES_MS)
      this.#socket.end()
      return
    }
    this.#deadline = this.#deps.clock.after(this.#deps.idleMs() + IDLE_MARGIN_MS)
    if (this.#bytes !== undefined) this.#next(this.#bytes)
  }

  #drained(): void {
    if (!this.#held || this.#backend === undefined) return
    this.#held = false
    this.#deadline = NEVER
    this.#backend.goOn()
  }

  #closed(): void {
    this.#deps.closed(this)
    const admitted = this.#admitted
    if (admitted === undefined) return
    this.#admitted = undefined
    this.#backend?.drop()
    this.#backend = undefined
    this.#leave(admitted)
    settle(this.#deps.settle, admitted.passage)
  }

  #handOver(bytes: Buffer, begun?: Begun): void {
    const socket = this.#socket
    socket.off('data', this.#onData).off('drain', this.#onDrain).off('end', this.#onEnd)
    socket.off('error', this.#onError).off('close', this.#onClose)
    this.#bytes = undefined
    this.#deps.handOver(this, socket, bytes, begun)
  }
}
