import { connect, type Socket } from 'node:net'
import type { UpstreamAnswer } from '../proxy/upstream.ts'
import { AnswerReader, type AnswerSink } from './answer-reader.ts'
import type { CoarseClock } from './coarse-clock.ts'
import type { ResponseHead } from './response-head.ts'

/** What came instead of an answer, or instead of its rest. */
export type Failure = Extract<
  UpstreamAnswer,
  { kind: 'unreachable' | 'timeout' | 'invalid'; reason: string }
>

/** Who asked, and is told what comes: a head, pieces, the end; nothing after `end` or `failed`. */
export interface Caller extends AnswerSink {
  /** That was all for now. */
  flush(): void
  end(): void
  /** @param idle it came at once on a connection that had lain idle: that one was just closing. */
  failed(failure: Failure, idle: boolean): void
}

export interface Question {
  method: string
  head: string
  body: Buffer | undefined
  /** Until the connection must be there, and the head of the answer here, in milliseconds. */
  connectMs: number
  headMs: number
  /** Longest pause within the answer; 0: none. */
  pauseMs: number
}

const READ_BYTES = 65_536
/** How long a connection may lie idle; less where the backend says so, and not to its last second. */
const IDLE_MS = 30_000
const IDLE_MARGIN_MS = 1_500
const NEVER = Number.POSITIVE_INFINITY

/** One connection to a backend: one question at a time, its answer read to the byte. */
export class BackendConnection {
  readonly #socket: Socket
  readonly #clock: CoarseClock
  readonly #over: (connection: BackendConnection, reusable: boolean) => void
  #caller: Caller | undefined
  #question: Question | undefined
  #connecting = true
  #used = false
  #answered = false
  #deadline = NEVER
  #idleMs = IDLE_MS
  #cause = 'the other side closed the connection'

  #reader: AnswerReader | undefined
  /** @param over told when an answer has ended, before its caller is, and when the connection has. */
  constructor(
    base: URL,
    clock: CoarseClock,
    over: (connection: BackendConnection, reusable: boolean) => void,
  ) {
    this.#clock = clock
    this.#over = over
    this.#socket = connect({
      host: base.hostname.replace(/^\[|\]$/g, ''),
      port: Number(base.port || 80),
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (count, bytes) => {
          this.#read(bytes as Buffer, count)
          return true
        },
      },
    })
    this.#socket.once('connect', () => {
      this.#connecting = false
      // Only connecting was to be done soon; the answer has the time that its service is given.
      if (this.#question !== undefined) this.#deadline = clock.after(this.#question.headMs)
    })
    this.#socket.on('error', (cause: NodeJS.ErrnoException) => {
      this.#cause = cause.code === undefined ? cause.message : `${cause.code}: ${cause.message}`
    })
    this.#socket.once('end', () => {
      // Until the end of the connection: an orderly one is the end of the answer, too.
      if (this.#reader?.close()) this.#finish(false)
      else this.#socket.destroy()
    })
    this.#socket.once('close', () => {
      this.#over(this, false)
      this.#fail({ kind: 'unreachable', reason: this.#cause, unsent: this.#connecting })
    })
  }

  /** It can be asked something more. */
  get usable(): boolean {
    return this.#socket.writable && !this.#socket.destroyed
  }

  ask(caller: Caller, question: Question): void {
    this.#caller = caller
    this.#question = question
    this.#answered = false
    this.#reader = new AnswerReader(question.method, {
      head: (answer) => this.#begun(answer),
      data: (bytes, from, to) => this.#caller?.data(bytes, from, to),
    })
    const { head, body, connectMs, headMs } = question
    this.#deadline = this.#clock.after(this.#connecting ? Math.min(headMs, connectMs) : headMs)
    if (body === undefined) {
      this.#socket.write(head, 'latin1')
      return
    }
    this.#socket.cork()
    this.#socket.write(head, 'latin1')
    this.#socket.write(body)
    this.#socket.uncork()
  }

  /** Its caller can take no more for now. */
  hold(): void {
    this.#socket.pause()
    this.#deadline = NEVER
  }

  goOn(): void {
    this.#expectMore()
    this.#socket.resume()
  }

  /** Nobody wants more of it. */
  drop(): void {
    this.#caller = undefined
    this.#reader?.stop()
    this.#socket.destroy()
  }

  /** What the clock finds: too late, or idle for too long. */
  look(now: number): void {
    if (now < this.#deadline) return
    const { connectMs, headMs } = this.#question ?? { connectMs: 0, headMs: 0 }
    const connecting = this.#connecting && headMs >= connectMs
    if (connecting)
      this.#fail({ kind: 'unreachable', reason: 'no connection in time', unsent: true })
    else this.#fail({ kind: 'timeout', reason: 'no answer in time' })
    this.#socket.destroy()
  }

  #expectMore(): void {
    const pauseMs = this.#question?.pauseMs ?? 0
    this.#deadline = pauseMs === 0 ? NEVER : this.#clock.after(pauseMs)
  }

  #read(bytes: Buffer, count: number): void {
    // Bytes that nobody asked for: the next answer is not to be looked for behind them.
    if (this.#caller === undefined) return this.drop()
    this.#answered = true
    const reader = this.#reader
    if (reader === undefined) return
    if (reader.state === 'body') this.#expectMore()
    const at = reader.read(bytes, 0, count)
    switch (reader.state) {
      case 'done':
        return this.#finish(at === count)
      case 'invalid':
        this.#fail({ kind: 'invalid', reason: reader.reason })
        this.#socket.destroy()
        return
      default:
        this.#caller?.flush()
    }
  }

  #begun(head: ResponseHead): void {
    this.#idleMs = Math.min(IDLE_MS, (head.idleSeconds ?? NEVER) * 1000 - IDLE_MARGIN_MS)
    this.#expectMore()
    this.#caller?.head(head)
  }

  /** @param exact nothing came behind the answer: what did would be taken for the next one. */
  #finish(exact: boolean): void {
    const caller = this.#caller
    this.#caller = undefined
    this.#used = true
    this.#deadline = this.#clock.after(this.#idleMs)
    const settled = exact && this.#socket.writableLength === 0 && this.#idleMs > 0
    const reusable = settled && this.#reader?.reusable === true && this.usable
    if (!reusable) this.#socket.destroy()
    this.#over(this, reusable)
    caller?.end()
  }

  #fail(failure: Failure): void {
    const caller = this.#caller
    this.#caller = undefined
    caller?.failed(failure, this.#used && !this.#answered && failure.kind === 'unreachable')
  }
}
