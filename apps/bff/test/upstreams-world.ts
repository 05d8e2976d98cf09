import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type Edits, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'

/** One of several copies of a service: it can hang, break, die, and come back at its address. */
export async function startCopy(t: TestContext, name: string) {
  const copy = {
    origin: '',
    asked: [] as string[],
    checks: [] as IncomingMessage['headers'][],
    /** Requests that are not answered yet. */
    held: [] as (() => void)[],
    mode: 'answer' as 'answer' | 'hold' | 'hang up' | number,
    healthy: true as boolean | 'never says',
    /** Takes every WebSocket. */
    upgrades: false,
    /** Instead of the above, where it takes the request. */
    respond: undefined as ((req: IncomingMessage, res: ServerResponse) => void) | undefined,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
    start: (port: number) =>
      new Promise<void>((resolve) => {
        server = createServer(handle)
        server.on('upgrade', (req, socket) => {
          if (!copy.upgrades) return socket.destroy()
          const key = `${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
          const accept = createHash('sha1').update(key).digest('base64')
          socket.on('error', () => {})
          t.after(() => socket.destroy())
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
          )
        })
        server.listen(port, '127.0.0.1', () => resolve())
      }),
    port: 0,
  }
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    if (req.url?.endsWith('/healthz')) {
      copy.checks.push(req.headers)
      if (copy.healthy !== 'never says') res.writeHead(copy.healthy ? 200 : 500).end()
      return
    }
    copy.asked.push(`${req.method} ${req.url}`)
    const answer = (status = 200) => {
      req.resume()
      res.writeHead(status, { 'content-type': 'text/plain' }).end(name)
    }
    if (copy.respond !== undefined) copy.respond(req, res)
    else if (copy.mode === 'hold') copy.held.push(answer)
    else if (copy.mode === 'hang up') req.socket.destroy()
    else answer(copy.mode === 'answer' ? 200 : copy.mode)
  }
  let server = createServer(handle)
  await copy.start(0)
  copy.port = (server.address() as AddressInfo).port
  copy.origin = `http://127.0.0.1:${copy.port}`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return copy
}

export type Copy = Awaited<ReturnType<typeof startCopy>>

/** Lines of `services.analytics_service`, each below the other; those of the same key are gone. */
export const serviceLines = (lines: readonly string[]) => (text: string) => {
  const [before, rest = ''] = text.split('  analytics_service:\n', 2)
  const end = rest.search(/\n {0,2}\S/)
  const keys = lines.map((line) => line.split(':', 1)[0])
  const kept = rest
    .slice(0, end)
    .split('\n')
    .filter((line) => !keys.includes(line.trim().split(':', 1)[0]))
  const own = [...lines.map((line) => `    ${line}`), ...kept].join('\n')
  return `${before}  analytics_service:\n${own}${rest.slice(end)}`
}

const serverLines = (lines: readonly string[]) =>
  replace('  trusted_proxies: []', ['  trusted_proxies: []', ...lines].join('\n  '))

const OPEN =
  '\n  - id: open\n    path: /open/*\n    target_service: analytics_service\n    auth: none\n    websocket: true\n'

/** A gateway in front of these copies, at `/open/*` for everybody. */
export async function startService(
  t: TestContext,
  copies: readonly Copy[],
  lines: readonly string[] = [],
  fast = true,
  server: readonly string[] = [],
) {
  const [first, ...further] = copies
  const all = [
    ...(further.length > 0
      ? [`upstreams: [${further.map(({ origin }) => origin).join(', ')}]`]
      : []),
    ...lines,
  ]
  const edits: Edits = {
    'BFF/config/routes.yaml': inOrder(serviceLines(all), (text) => text + OPEN),
    ...(fast && server.length === 0
      ? {}
      : {
          'BFF/config/settings.yaml': serverLines([
            ...server,
            ...(fast ? [] : ['fast_path: false']),
          ]),
        }),
  }
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: first?.origin ?? '' },
    edits,
  })
  const call = async (path = '/open/x', init: RequestInit = {}) => {
    const response = await fetch(gateway.bff + path, { ...init, redirect: 'manual' })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const metrics = async () => {
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    return (await fetch(`${gateway.bff}/metrics`, { headers })).text()
  }
  return { gateway, call, metrics }
}
