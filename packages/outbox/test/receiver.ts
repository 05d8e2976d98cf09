import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { createLog, type Logger } from '@audience-bridge/kit/log.ts'
import type { NewEvent } from '../src/outbox.ts'

interface Received {
  id: string
  data: { path: string }
}

/** How the receiver treats one request; `undefined`: store it and say so. */
export type Answer = (request: {
  events: Received[]
  authorization: string
  response: ServerResponse
}) => boolean

/** A receiver on a real port that stores by id, as the analytics service does. */
export interface Receiver {
  url: string
  /** Stored events by id, with the number of times each arrived. */
  stored: Map<string, number>
  paths(): string[]
  requests: { authorization: string; contentType: string; events: number }[]
  /** Returns true when it has taken care of the answer itself. */
  answer: Answer
  /** Resolves once `condition` holds, looked at after each request; rejects after 5 s. */
  until(condition: () => boolean): Promise<void>
  stop(): Promise<void>
}

export async function startReceiver(t: TestContext, port = 0): Promise<Receiver> {
  const waiting = new Set<() => void>()
  const byId = new Map<string, string>()
  const server = createServer(async (request, response) => {
    const events: Received[] = JSON.parse(await bodyOf(request))
    const authorization = request.headers.authorization ?? ''
    const contentType = request.headers['content-type'] ?? ''
    receiver.requests.push({ authorization, contentType, events: events.length })
    if (!receiver.answer({ events, authorization, response })) store(receiver, events, response)
    for (const event of events)
      if (receiver.stored.has(event.id)) byId.set(event.id, event.data.path)
    for (const look of waiting) look()
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/analytics/events`,
    stored: new Map(),
    paths: () => [...byId.values()],
    requests: [],
    answer: () => false,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          reject(new Error(`it did not come true within 5 s: ${condition}`))
        }, 5_000)
        const look = () => {
          if (!condition()) return
          clearTimeout(late)
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  t.after(() => receiver.stop())
  return receiver
}

export function store(receiver: Receiver, events: Received[], response: ServerResponse): void {
  let accepted = 0
  for (const { id } of events) {
    const times = receiver.stored.get(id) ?? 0
    if (times === 0) accepted += 1
    receiver.stored.set(id, times + 1)
  }
  send(response, 200, { accepted, duplicates: events.length - accepted, rejected: [] })
}

export function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

export function accessEvent(path: string): NewEvent {
  return {
    type: 'ai.empowernow.access',
    data: {
      subject: 'u-1',
      service: 'crud_service',
      method: 'GET',
      path,
      status: 200,
      elapsed_ms: 1,
    },
  }
}

export const quiet: Logger = createLog('outbox-test', 'silent')
