import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Cleanup } from './config-copy.ts'

export type Frame = { opcode: number; payload: Buffer }

/** One WebSocket as a backend holds it. */
export interface Peer {
  head: IncomingMessage
  socket: Socket
  /** What the gateway's client sent, data frames and pongs alike. */
  frames: Frame[]
  send(payload: string | Buffer, opcode?: number): void
  closed: boolean
}

/** A backend that takes every WebSocket and sends back each text or binary frame. */
export interface WebSocketEcho {
  origin: string
  peers: Peer[]
  /** Answers a request that asks for no WebSocket. */
  plain: (res: ServerResponse) => void
  /** Takes a handshake over; false leaves it to the echo. */
  intercept: ((req: IncomingMessage, socket: Socket, head: Buffer) => boolean) | undefined
}

export async function startWebSocketEcho(t: Cleanup): Promise<WebSocketEcho> {
  const sockets = new Set<Socket>()
  const server = createServer((_req, res) => echo.plain(res))
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('upgrade', (head: IncomingMessage, socket: Socket, early: Buffer) => {
    socket.on('error', () => {})
    if (echo.intercept?.(head, socket, early)) return
    const accept = acceptKey(String(head.headers['sec-websocket-key']))
    const protocol = head.headers['sec-websocket-protocol']?.split(',')[0]?.trim()
    const lines = [
      ...['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'],
      `Sec-WebSocket-Accept: ${accept}`,
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    echo.peers.push(serve(head, socket, early))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const echo: WebSocketEcho = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    peers: [],
    plain: (res) => void res.end('plain'),
    intercept: undefined,
  }
  return echo
}

function serve(head: IncomingMessage, socket: Socket, early: Buffer): Peer {
  const peer: Peer = {
    head,
    socket,
    frames: [],
    send: (payload, opcode = 1) => void socket.write(frameOf(opcode, Buffer.from(payload))),
    closed: false,
  }
  let left: Buffer = early
  const take = (chunk: Buffer) => {
    left = Buffer.concat([left, chunk])
    for (let read = readFrame(left); read !== undefined; read = readFrame(left)) {
      left = left.subarray(read.bytes)
      const { opcode, payload } = read
      peer.frames.push({ opcode, payload })
      if (opcode <= 2) peer.send(payload, opcode)
      if (opcode === 8) socket.end(frameOf(8, payload))
    }
  }
  take(Buffer.alloc(0))
  socket.on('data', take)
  socket.once('end', () => socket.end())
  socket.once('close', () => {
    peer.closed = true
  })
  return peer
}

/** RFC 6455 §4.2.2. */
export const acceptKey = (key: string) =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** A frame, masked with `mask` where a client sends it. */
export function frameOf(opcode: number, payload: Buffer, mask?: Buffer): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = 0x80 | opcode
  head[1] = (mask ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  return mask === undefined
    ? Buffer.concat([head, payload])
    : Buffer.concat([head, mask, xor(payload, mask)])
}

/** The first frame of these bytes, or undefined while it is not whole. */
export function readFrame(bytes: Buffer): (Frame & { bytes: number }) | undefined {
  if (bytes.length < 2) return undefined
  const short = (bytes[1] ?? 0) & 0x7f
  const masked = ((bytes[1] ?? 0) & 0x80) !== 0
  const at = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
  const start = at + (masked ? 4 : 0)
  if (bytes.length < start) return undefined
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  if (bytes.length < start + length) return undefined
  const payload = bytes.subarray(start, start + length)
  const opcode = (bytes[0] ?? 0) & 0x0f
  return {
    opcode,
    payload: masked ? xor(payload, bytes.subarray(at, start)) : Buffer.from(payload),
    bytes: start + length,
  }
}

const xor = (payload: Buffer, mask: Buffer) =>
  Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)))
