import { ChunkReader } from './chunk-reader.ts'
import { MAX_RESPONSE_HEAD_BYTES, type ResponseHead, readResponse } from './response-head.ts'

/** Who is told what is read. */
export interface AnswerSink {
  head(head: ResponseHead): void
  /** A piece of the body. The bytes are gone when it returns. */
  data(bytes: Buffer, from: number, to: number): void
  /** An answer before the answer; without it these are dropped. */
  interim?(head: ResponseHead): void
  /** All that follows is another protocol's; without it that is invalid. */
  switched?(head: ResponseHead): void
}

/** Interim answers before one more is a flood. */
const MAX_INTERIM = 16

/** Reads one answer from what comes on a connection, to the byte (RFC 9112 §6.3). */
export class AnswerReader {
  readonly #method: string
  readonly #sink: AnswerSink
  #state: 'head' | 'length' | 'chunks' | 'close' | 'done' | 'invalid' = 'head'
  #reason = ''
  #reusable = false
  #text = ''
  #interim = 0
  #left = 0
  #chunks: ChunkReader | undefined

  /** @param method of the request: an answer to HEAD has no body, whatever it says. */
  constructor(method: string, sink: AnswerSink) {
    this.#method = method
    this.#sink = sink
  }

  get state(): 'head' | 'body' | 'done' | 'invalid' {
    const state = this.#state
    return state === 'length' || state === 'chunks' || state === 'close' ? 'body' : state
  }

  /** Why it is invalid. */
  get reason(): string {
    return this.#reason
  }

  /** What came behind a chunked body: names and values in turn. */
  get trailers(): readonly string[] {
    return this.#chunks?.trailers ?? []
  }

  /** Once it is done: the connection may carry another one. */
  get reusable(): boolean {
    return this.#reusable
  }

  /** @returns where it stopped: at `to`, or behind the answer's last byte. */
  read(bytes: Buffer, from: number, to: number): number {
    let at = from
    while (at < to) {
      switch (this.#state) {
        case 'head':
          at = this.#readHead(bytes, at, to)
          break
        case 'length': {
          const end = Math.min(to, at + this.#left)
          this.#left -= end - at
          this.#sink.data(bytes, at, end)
          at = end
          if (this.#left === 0) this.#end()
          break
        }
        case 'chunks':
          at = this.#readChunks(bytes, at, to)
          break
        case 'close':
          this.#sink.data(bytes, at, to)
          at = to
          break
        default:
          return at
      }
    }
    return at
  }

  /** The connection has ended in order: is that the end of the answer? */
  close(): boolean {
    if (this.#state !== 'close') return false
    this.#end()
    return true
  }

  /** Nobody wants the rest. */
  stop(): void {
    this.#refuse('nobody wants it')
  }

  #readHead(bytes: Buffer, from: number, to: number): number {
    const before = this.#text.length
    const until = Math.min(to, from + MAX_RESPONSE_HEAD_BYTES)
    const text = this.#text + bytes.toString('latin1', from, until)
    const head = readResponse(text)
    if (head.kind === 'more' && text.length < MAX_RESPONSE_HEAD_BYTES) {
      this.#text = text
      return to
    }
    this.#text = ''
    if (head.kind !== 'head') {
      this.#refuse(head.kind === 'invalid' ? head.reason : 'the head is too large')
      return to
    }
    // An interim answer has nothing behind its head, and is not the last on its connection.
    const framed = head.length !== undefined || head.chunked || !head.reusable
    if (head.status >= 200) this.#begin(head)
    else if (head.status === 101 && this.#sink.switched !== undefined) {
      this.#state = 'close'
      this.#sink.switched(head)
    } else if (head.status === 101 || framed || ++this.#interim > MAX_INTERIM) {
      this.#refuse(`an answer of ${head.status} that nobody asked for`)
    } else this.#sink.interim?.(head)
    return from + head.headBytes - before
  }

  #readChunks(bytes: Buffer, from: number, to: number): number {
    this.#chunks ??= new ChunkReader()
    const at = this.#chunks.read(bytes, from, to, (a, b) => this.#sink.data(bytes, a, b))
    if (this.#chunks.invalid) this.#refuse('a chunk is malformed')
    else if (this.#chunks.done) this.#end()
    return at
  }

  #begin(head: ResponseHead): void {
    const none = this.#method === 'HEAD' || head.status === 204 || head.status === 304
    this.#left = none ? 0 : (head.length ?? 0)
    if (none || head.length !== undefined) this.#state = 'length'
    else this.#state = head.chunked ? 'chunks' : 'close'
    this.#reusable = head.reusable && this.#state !== 'close'
    this.#sink.head(head)
    if (this.#state === 'length' && this.#left === 0) this.#end()
  }

  #end(): void {
    if (this.#state !== 'invalid') this.#state = 'done'
  }

  #refuse(reason: string): void {
    this.#state = 'invalid'
    this.#reason = reason
  }
}
