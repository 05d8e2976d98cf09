import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Cleanup } from '@audience-bridge/testkit/config-copy.ts'
import { freePort } from '@audience-bridge/testkit/ports.ts'

const TICK_MS = 100

/** A backend that can be away: answers, counts what it gets, streams. */
export async function startBackend(t: Cleanup) {
  const port = await freePort()
  const listen = async () => {
    const server = createServer((req, res) => void serve(req, res).catch(() => res.destroy()))
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let server = await listen()
  const stop = async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  t.after(stop)
  return {
    port,
    stop,
    async start() {
      server = await listen()
    },
  }
}

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(req.url ?? '/', 'http://backend')
  if (url.pathname.endsWith('/ticks')) {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    const timer = setInterval(() => res.write('data: tick\n\n'), TICK_MS)
    res.once('close', () => clearInterval(timer))
    return
  }
  let bytes = 0
  for await (const chunk of req) bytes += (chunk as Buffer).length
  const size = Number(url.searchParams.get('size') ?? 0)
  const head = { 'content-type': 'application/json' }
  if (size === 0) {
    res.writeHead(200, head).end(JSON.stringify({ bytes }))
    return
  }
  // In chunks, because no length is said.
  res.writeHead(200, { 'content-type': 'application/octet-stream' })
  for (let left = size; left > 0; left -= 16_384) {
    if (!res.write(Buffer.alloc(Math.min(left, 16_384), 'x'))) await once(res, 'drain')
  }
  res.end()
}
