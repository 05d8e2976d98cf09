import { createServer, type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { AnswerReader } from '../src/fast/answer-reader.ts'
import { MAX_HEAD_BYTES, readRequest } from '../src/fast/request-head.ts'
import type { ResponseHead } from '../src/fast/response-head.ts'

/** What one reader makes of the bytes of a connection. */
export interface RequestRead {
  method: string | undefined
  target: string | undefined
  rawHeaders: string[]
  headers: NodeJS.Dict<string | string[]>
  body: string
  keepAlive: boolean
}

export interface FastReads {
  requests: RequestRead[]
  /** Where the first byte is that it did not take. */
  at: number
  end: 'declined' | 'more' | 'closed'
}

/** As the fast path reads: one simple request after the other. */
export function fastReads(bytes: Buffer): FastReads {
  const requests: RequestRead[] = []
  let at = 0
  for (;;) {
    const reading = readRequest(bytes.toString('latin1', at, at + MAX_HEAD_BYTES))
    if (reading.kind !== 'request') return { requests, at, end: reading.kind }
    const { method, target, fields, headBytes } = reading
    const { rawHeaders, headers, keepAlive, bodyBytes } = fields
    const end = at + headBytes + bodyBytes
    if (end > bytes.length) return { requests, at, end: 'more' }
    const body = bytes.toString('latin1', at + headBytes, end)
    requests.push({
      method,
      target,
      rawHeaders: [...rawHeaders],
      headers: { ...headers },
      body,
      keepAlive,
    })
    at = end
    if (!keepAlive) return { requests, at, end: 'closed' }
  }
}

/** A connection without a network: what is written is heard, what is fed is read. */
function wire(heard: (bytes: Buffer) => void): Duplex {
  return new Duplex({
    allowHalfOpen: true,
    read() {},
    write(chunk: Buffer, _, done) {
      heard(chunk)
      done()
    },
  })
}

export interface NodeReads {
  requests: RequestRead[]
  refused: string | undefined
}

/** As Node's own server reads (llhttp, strict). */
export function nodeReads(bytes: Buffer): Promise<NodeReads> {
  const reads: NodeReads = { requests: [], refused: undefined }
  const server = createServer((req, res) => {
    const { method, url: target, rawHeaders, headers } = req
    const read = { method, target, rawHeaders, headers: { ...headers }, body: '', keepAlive: false }
    read.keepAlive = res.shouldKeepAlive
    reads.requests.push(read)
    req.on('data', (chunk: Buffer) => {
      read.body += chunk.toString('latin1')
    })
    req.on('end', () => res.end())
  })
  return new Promise((resolve) => {
    const socket = wire(() => {})
    server.on('clientError', (cause: NodeJS.ErrnoException) => {
      reads.refused ??= cause.code ?? cause.message
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.once('close', () => resolve(reads))
    server.emit('connection', socket)
    socket.push(bytes)
    socket.push(null)
  })
}

/** What a client makes of the bytes of an answer and the end of the connection behind them. */
export type AnswerRead =
  | { kind: 'answer'; status: number; headers: string[]; body: string; whole: boolean }
  | { kind: 'invalid' }
  /** The connection ended before the head did. */
  | { kind: 'short' }

/** As the fast path reads an answer that comes in these pieces. */
export function fastReadsAnswer(method: string, pieces: readonly Buffer[]): AnswerRead {
  let head: ResponseHead | undefined
  let body = ''
  const reader = new AnswerReader(method, {
    head: (read) => {
      head = read
    },
    data: (bytes, from, to) => {
      body += bytes.toString('latin1', from, to)
    },
  })
  for (const piece of pieces) {
    // Beyond the end: the connection ends, the answer stands.
    if (reader.read(piece, 0, piece.length) < piece.length) break
  }
  const whole = reader.state === 'done' || reader.close()
  if (head === undefined) return { kind: reader.state === 'invalid' ? 'invalid' : 'short' }
  return { kind: 'answer', status: head.status, headers: head.headers, body, whole }
}

/** As Node's own client reads it. */
export function nodeReadsAnswer(method: string, bytes: Buffer): Promise<AnswerRead> {
  return new Promise((resolve) => {
    const socket = wire(() => {})
    let answer: Extract<AnswerRead, { kind: 'answer' }> | undefined
    let failure: 'invalid' | 'short' = 'short'
    const req = request({
      method,
      path: '/',
      host: 'a.example',
      createConnection: () => socket as unknown as Socket,
    })
    const finish = () => resolve(answer ?? { kind: failure })
    req.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code?.startsWith('HPE_')) failure = 'invalid'
    })
    req.on('response', (res: IncomingMessage) => {
      const { statusCode: status = 0, rawHeaders: headers } = res
      const read = { kind: 'answer' as const, status, headers, body: '', whole: false }
      answer = read
      res.on('data', (chunk: Buffer) => {
        read.body += chunk.toString('latin1')
      })
      res.on('end', () => {
        read.whole = res.complete
      })
      res.on('error', () => {})
    })
    req.on('upgrade', () => {
      failure = 'invalid'
      socket.destroy()
    })
    req.on('close', () => setImmediate(finish))
    socket.on('error', () => {})
    req.on('finish', () => {
      socket.push(bytes)
      socket.push(null)
    })
    req.end()
  })
}
