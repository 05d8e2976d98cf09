import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** A request as a backend saw it. */
export interface Arrival {
  method: string
  url: string
  /** As they came, names and values in turn. */
  rawHeaders: string[]
  headers: NodeJS.Dict<string | string[]>
  body: string
  /** Claims of the bearer JWT; undefined without one. Not verified: this is a test's eye. */
  claims: Record<string, unknown> | undefined
  jwtHeader: Record<string, unknown> | undefined
}

export interface Echo {
  origin: string
  port: number
  arrivals: Arrival[]
  /** What to answer instead of the echo; undefined: echo. */
  respond: ((arrival: Arrival, res: ServerResponse) => void) | undefined
  /** Takes a request over before its body is read; false leaves it to the echo. */
  intercept: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined
  close(): Promise<void>
}

/** What the echo answers: the arrival without credentials, which no browser may ever see. */
export type EchoBody = Pick<Arrival, 'method' | 'url' | 'body'>

/** A real backend on a free port that remembers what arrived and answers an `EchoBody`. */
export async function startEcho(t: TestContext): Promise<Echo> {
  const server = createServer((req, res) => {
    if (echo.intercept?.(req, res)) return
    arrivalOf(req).then((arrival) => {
      echo.arrivals.push(arrival)
      if (echo.respond !== undefined) return echo.respond(arrival, res)
      res.writeHead(200, { 'content-type': 'application/json' })
      const { method, url, body } = arrival
      res.end(JSON.stringify({ method, url, body } satisfies EchoBody))
    }, ignoreAborted)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const echo: Echo = {
    origin: `http://127.0.0.1:${port}`,
    port,
    arrivals: [],
    respond: undefined,
    intercept: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  t.after(() => echo.close())
  return echo
}

/** A request that its sender gave up never arrived. */
function ignoreAborted(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'ECONNRESET') throw cause
}

async function arrivalOf(req: IncomingMessage): Promise<Arrival> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  const token = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1]
  return {
    method: req.method ?? '',
    url: req.url ?? '',
    rawHeaders: req.rawHeaders,
    headers: req.headers,
    body: Buffer.concat(chunks).toString('utf8'),
    claims: token === undefined ? undefined : decodePart(token, 1),
    jwtHeader: token === undefined ? undefined : decodePart(token, 0),
  }
}

/** The header fields of a raw list that have this name, whatever its case. */
export function rawValues({ rawHeaders }: Pick<Arrival, 'rawHeaders'>, name: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
}

/** The names of all header fields as they came, in lower case. */
export const rawNames = ({ rawHeaders }: Pick<Arrival, 'rawHeaders'>): string[] =>
  rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())

/** One part of a JWT, decoded and not verified. */
export function decodePart(token: string, part: 0 | 1): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString('utf8'))
}
