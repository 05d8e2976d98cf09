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
  close(): Promise<void>
}

/** A real backend on a free port that remembers what arrived and answers it as JSON. */
export async function startEcho(t: TestContext): Promise<Echo> {
  const server = createServer((req, res) => {
    arrivalOf(req).then((arrival) => {
      echo.arrivals.push(arrival)
      if (echo.respond !== undefined) return echo.respond(arrival, res)
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end(JSON.stringify(arrival))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const echo: Echo = {
    origin: `http://127.0.0.1:${port}`,
    port,
    arrivals: [],
    respond: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  t.after(() => echo.close())
  return echo
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

/** One part of a JWT, decoded and not verified. */
export function decodePart(token: string, part: 0 | 1): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString('utf8'))
}
