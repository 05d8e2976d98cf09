import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { bridgeEvent, type StoredEvent } from '@audience-bridge/contracts/event.ts'

export interface Receiver {
  url: string
  events: StoredEvent[]
  authorizations: Set<string>
  /** Resolves with the first event for which `wanted` holds, arrived or still to come; rejects after 5 s. */
  event(wanted: (event: StoredEvent) => boolean): Promise<StoredEvent>
}

/** An events endpoint on a real port that takes only what the contract allows. */
export async function startReceiver(t: TestContext): Promise<Receiver> {
  const looks = new Set<() => void>()
  const receiver: Receiver = {
    url: '',
    events: [],
    authorizations: new Set(),
    event: (wanted) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('no such event within 5 s')), 5_000)
        const look = () => {
          const found = receiver.events.find(wanted)
          if (found === undefined) return
          clearTimeout(late)
          looks.delete(look)
          resolve(found)
        }
        looks.add(look)
        look()
      }),
  }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const batch: unknown[] = JSON.parse(Buffer.concat(parts).toString())
    receiver.authorizations.add(request.headers.authorization ?? '')
    for (const event of batch) receiver.events.push(bridgeEvent.parse(event))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ accepted: batch.length, duplicates: 0, rejected: [] }))
    for (const look of looks) look()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return receiver
}

/** The data of an event that must be a decision. */
export function decisionOf(event: StoredEvent) {
  assert.ok(event.type === 'ai.empowernow.authz.decision')
  return event.data
}
