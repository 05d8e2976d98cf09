import { IncomingMessage, type ServerResponse } from 'node:http'
import { type ProblemCode, problemHead } from '@audience-bridge/contracts/problem.ts'
import { renderProblem } from '@audience-bridge/kit/problem.ts'

const FORM = 'application/x-www-form-urlencoded'
const BODY_BYTES = 56 * 1024

export type BodyResult = { kind: 'form'; fields: URLSearchParams } | { kind: 'refused' }

/** The form in the body; `refused` when it is no form or longer than 56 KiB. */
export async function readForm(req: IncomingMessage): Promise<BodyResult> {
  const type = (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== FORM) return { kind: 'refused' }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES) return { kind: 'refused' }
    chunks.push(chunk)
  }
  return { kind: 'form', fields: new URLSearchParams(Buffer.concat(chunks).toString('utf8')) }
}

/** The request as if it had come with this body: for a body that was read, and changed. */
export function withForm(req: IncomingMessage, fields: URLSearchParams): IncomingMessage {
  const body = Buffer.from(fields.toString())
  const copy = new IncomingMessage(req.socket)
  copy.method = req.method
  copy.url = req.url
  copy.headers = { ...req.headers, 'content-type': FORM, 'content-length': String(body.length) }
  delete copy.headers['transfer-encoding']
  copy.push(body)
  copy.push(null)
  // Whole as it is: Node closes the connection of a request that ends before it is complete.
  copy.complete = true
  return copy
}

export function sendJson(
  res: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  res.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...headers,
  })
  res.end(JSON.stringify(body))
}

export function sendProblem(
  res: ServerResponse,
  code: ProblemCode,
  detail: string,
  correlationId: string,
): void {
  const head = problemHead(code)
  const { body, headers } = renderProblem({ ...head, detail, correlation_id: correlationId })
  res.writeHead(head.status, headers)
  res.end(body)
}
