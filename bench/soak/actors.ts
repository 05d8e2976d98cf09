import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { openWebSocket } from '@audience-bridge/testkit/websocket-client.ts'
import type { Ledger } from './ledger.ts'

export interface Stage {
  ledger: Ledger
  /** Somebody who stays signed in; another one each time. */
  visitor(): Visitor
  signIn(): Promise<Visitor>
}

const UPLOAD_BYTES = [10, 60_000, 900_000]
const STREAM_EVENTS = 20
const MESSAGES = 10

/** What users do, each once. */
export const ACTORS: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async read({ ledger, visitor }) {
    const began = performance.now()
    const response = await visitor().fetch('/api/crud/things')
    if (await ledger.judge('read', began, response)) await response.arrayBuffer()
  },

  async download({ ledger, visitor }) {
    const began = performance.now()
    const response = await visitor().fetch('/api/crud/things?size=300000')
    if (!(await ledger.judge('download', began, response))) return
    const { byteLength } = await response.arrayBuffer()
    if (byteLength !== 300_000) ledger.broke('download', began, `${byteLength} bytes came`)
  },

  async upload(stage) {
    for (const size of UPLOAD_BYTES) await upload(stage, 'upload', size, Buffer.alloc(size, 'x'))
  },

  async chunked(stage) {
    const piece = Buffer.alloc(8_192, 'x')
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(piece)
        controller.close()
      },
    })
    await upload(stage, 'chunked upload', 20 * piece.length, body)
  },

  async stream({ ledger, visitor }) {
    const began = performance.now()
    const leave = new AbortController()
    const response = await visitor().fetch('/api/stream/ticks', { signal: leave.signal })
    if (!(await ledger.judge('stream', began, response)) || response.body === null) return
    let events = 0
    for await (const chunk of response.body) {
      events +=
        Buffer.from(chunk as Uint8Array)
          .toString()
          .split('data: ').length - 1
      if (events >= STREAM_EVENTS) break
    }
    leave.abort()
    if (events < STREAM_EVENTS) ledger.broke('stream', began, `it ended after ${events} events`)
  },

  async socket({ ledger, visitor }) {
    const who = visitor()
    const ws = await openWebSocket(new URL('/api/ws/x', who.bff), {
      cookie: who.cookie,
      origin: who.bff,
    })
    for (let i = 0; i < MESSAGES; i++) {
      const came = new Promise((resolve) =>
        ws.socket.addEventListener('message', resolve, { once: true }),
      )
      ws.send(`message ${i}`)
      await Promise.race([
        came,
        ws.closed.then(({ code }) => {
          throw new Error(`the WebSocket was closed with ${code}`)
        }),
      ])
    }
    if (ws.messages.length !== MESSAGES) ledger.fault(`socket: ${ws.messages.length} messages`)
    ws.socket.close()
    await ws.closed
    ledger.count('socket')
  },

  /** A whole visit: nothing of it may be left. */
  async visit({ ledger, signIn }) {
    const who = await signIn()
    const { cookie } = who
    for (const path of ['/api/crud/things', '/api/auth/session', '/api/crud/others']) {
      const began = performance.now()
      const response = await who.fetch(path)
      if (await ledger.judge('visit', began, response)) await response.arrayBuffer()
    }
    const left = await who.signOut()
    if (!(await ledger.judge('sign-out', performance.now(), left))) return
    await left.arrayBuffer()
    const began = performance.now()
    const again = () => fetch(new URL('/api/crud/things', who.bff), { headers: { cookie } })
    let after = await again()
    while (after.ok && performance.now() - began < 1_000) after = await again()
    if (after.ok) ledger.fault('visit: the cookie is good a second after the sign-out')
    else
      await ledger.judge('after', performance.now(), after, ['SESSION_EXPIRED', 'SESSION_REQUIRED'])
  },
}

async function upload(
  { ledger, visitor }: Stage,
  what: string,
  size: number,
  body: Buffer | ReadableStream,
): Promise<void> {
  const who = visitor()
  const headers = { 'x-csrf-token': await who.csrfToken(), origin: who.bff }
  const began = performance.now()
  const response = await who.fetch('/api/crud/things', {
    method: 'POST',
    headers,
    body: body as NonNullable<RequestInit['body']>,
    ...(body instanceof ReadableStream ? { duplex: 'half' as const } : {}),
  })
  if (!(await ledger.judge(what, began, response))) return
  const { bytes } = (await response.json()) as { bytes: number }
  if (bytes !== size) ledger.fault(`${what}: ${bytes} of ${size} bytes arrived`)
}
