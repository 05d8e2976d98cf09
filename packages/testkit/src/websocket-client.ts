import { once } from 'node:events'

export interface OpenedSocket {
  socket: WebSocket
  protocol: string
  /** Texts and binaries as they came. */
  messages: (string | Buffer)[]
  send(data: string | Uint8Array): void
  /** How it ended, and when by `performance.now()`. */
  closed: Promise<{ code: number; reason: string; at: number }>
}

/**
 * Opens a WebSocket as a browser does, with the headers that a browser would add by itself.
 *
 * @throws when the server refuses it.
 */
export async function openWebSocket(
  url: string | URL,
  headers: Record<string, string> = {},
  protocols: string[] = [],
): Promise<OpenedSocket> {
  const at = new URL(url)
  at.protocol = at.protocol.replace('http', 'ws')
  const socket = new WebSocket(at, { headers, protocols })
  socket.binaryType = 'arraybuffer'
  const messages: (string | Buffer)[] = []
  socket.addEventListener('message', ({ data }) => {
    messages.push(typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer))
  })
  const closed = new Promise<{ code: number; reason: string; at: number }>((resolve) => {
    socket.addEventListener('close', ({ code, reason }) =>
      resolve({ code, reason, at: performance.now() }),
    )
  })
  const refused = closed.then(({ code }) => {
    throw new Error(`the WebSocket was refused (${code})`)
  })
  await Promise.race([once(socket, 'open'), refused])
  refused.catch(() => {})
  return { socket, protocol: socket.protocol, messages, send: (data) => socket.send(data), closed }
}
