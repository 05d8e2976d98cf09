import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { answerProblem } from '../problems.ts'

const REASONS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'the request did not arrive in time',
}

/** Answers bytes that are no HTTP request with a problem, and ends the connection. */
export function refuseMalformed(cause: NodeJS.ErrnoException, socket: Socket): void {
  // Gone, or amid an answer: there is nobody to tell.
  if (cause.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const id = randomUUID()
  const { status, headers, body } =
    cause.code === 'HPE_HEADER_OVERFLOW'
      ? answerProblem('HEAD_TOO_LARGE', 'the head of a request may have 16 KiB', id)
      : answerProblem(
          'BAD_REQUEST',
          REASONS[cause.code ?? ''] ?? 'this is no valid HTTP request',
          id,
        )
  const lines = Object.entries({
    ...headers,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'))
}
