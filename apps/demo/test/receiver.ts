import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** Listens on a free port until the test ends. */
export async function listen(t: TestContext, handler: RequestListener): Promise<number> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

export interface Receiver {
  url: string
  /** Stored events by source and id. */
  stored: Set<string>
  arrived: number
  largestBatch: number
  /** Statuses to answer with before the first batch is stored. */
  failures: number[]
  tokens: string[]
}

/** An events endpoint that stores by source and id, as the analytics service does. */
export async function startReceiver(t: TestContext): Promise<Receiver> {
  const receiver: Receiver = {
    url: '',
    stored: new Set(),
    arrived: 0,
    largestBatch: 0,
    failures: [],
    tokens: [],
  }
  const port = await listen(t, async (request, response) => {
    const batch: { source: string; id: string }[] = JSON.parse(await bodyOf(request))
    receiver.tokens.push(request.headers.authorization ?? '')
    response.setHeader('content-type', 'application/json')
    const failure = receiver.failures.shift()
    if (failure !== undefined) return void response.writeHead(failure).end('{}')

    const before = receiver.stored.size
    for (const { source, id } of batch) receiver.stored.add(`${source} ${id}`)
    receiver.arrived += batch.length
    receiver.largestBatch = Math.max(receiver.largestBatch, batch.length)
    const accepted = receiver.stored.size - before
    const answer = { accepted, duplicates: batch.length - accepted, rejected: [] }
    response.end(JSON.stringify(answer))
  })
  receiver.url = `http://127.0.0.1:${port}/api/v1/analytics/events`
  return receiver
}
