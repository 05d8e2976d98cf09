import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { answerProblem } from '../problems.ts'

const REASONS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'the head of the request is too large',
  ERR_HTTP_REQUEST_TIMEOUT: 'the request did not arrive in time',
}

/** Answers bytes that are no HTTP request with a problem, and ends the connection. */
export function refuseMalformed(cause: NodeJS.ErrnoException, socket: Socket): void {
  // Gone, or amid an answer: there is nobody to tell.
  if (cause.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const { status, headers, body } = answerProblem(
    'BAD_REQUEST',
    REASONS[cause.code ?? ''] ?? 'this is no valid HTTP request',
    randomUUID(),
  )
  const lines = Object.entries({
    ...headers,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${status} Bad Request`, ...lines, '', body].join('\r\n'))
}
