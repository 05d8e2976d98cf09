import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type Client, type ClientOptions, createClient } from '../src/client.ts'

export interface Seen {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
}

export interface Answer {
  status?: number
  headers?: Record<string, string>
  /** Sent as JSON unless it is a text. */
  body?: unknown
}

export interface StandIn {
  origin: string
  seen: Seen[]
  /** Those of `seen` for a path. */
  asked(path: string): Seen[]
  answer: (seen: Seen) => Answer | Promise<Answer>
}

/** A real server that answers as a BFF would, whatever the test wants to see of one. */
export async function startStandIn(t: TestContext, answer: StandIn['answer']): Promise<StandIn> {
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = req
    const seen = { method, url, headers, body: Buffer.concat(chunks).toString() }
    standIn.seen.push(seen)
    const { status = 200, headers: extra, body = {} } = await standIn.answer(seen)
    const isText = typeof body === 'string'
    res.writeHead(status, {
      'content-type': isText ? 'text/html' : 'application/json',
      'x-correlation-id': 'from-header',
      ...extra,
    })
    res.end(isText ? body : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const standIn: StandIn = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    asked: (path) => standIn.seen.filter(({ url }) => url === path),
    answer,
  }
  return standIn
}

export const problem = (code: string, status: number, more: object = {}): Answer => ({
  status,
  body: { type: `urn:audience-bridge:problem:${code}`, title: code, status, code, ...more },
})

export const ALICE = { sub: 'alice', name: 'Alice', roles: ['member'] }

export const liveSession = (csrfToken: string, user: object = ALICE): Answer => ({
  body: {
    authenticated: true,
    user,
    csrf_token: csrfToken,
    expires_at: '2030-01-01T08:00:00.000Z',
    idle_expires_at: '2030-01-01T00:30:00.000Z',
    services: ['crud_service'],
  },
})

export const NO_SESSION: Answer = { body: { authenticated: false } }

export interface Page {
  client: Client
  /** Where the page left for. */
  left: string[]
  /** Resolves with where the page leaves for next. */
  leaving(): Promise<string>
}

/** A page of the BFF's origin with a client, without a browser; `storage` is its tab's. */
export function openPage(
  t: TestContext,
  { origin }: { origin: string },
  options: ClientOptions = {},
  storage = new Map<string, string>(),
): Page {
  const left: string[] = []
  let told = (_url: string) => {}
  const client = createClient({
    navigate: (url) => {
      left.push(url)
      told(url)
    },
    ...options,
    host: {
      location: { href: `${origin}/app/items?page=2#third` },
      storage: () => ({
        getItem: (key) => storage.get(key) ?? null,
        setItem: (key, value) => void storage.set(key, value),
      }),
      isVisible: () => true,
      ...options.host,
    },
  })
  t.after(() => client.close())
  const leaving = () =>
    new Promise<string>((resolve) => {
      told = resolve
    })
  return { client, left, leaving }
}
