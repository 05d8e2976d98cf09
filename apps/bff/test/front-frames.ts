import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { until } from '@audience-bridge/testkit/wait.ts'

/** Types of frames (RFC 9113 §6). */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const
export const END_STREAM = 0x1
export const END_HEADERS = 0x4
const ACK = 0x1

/** §7. */
export const CODE = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const

export interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** HPACK: each a literal that nobody indexes, with a name of its own (RFC 7541 §6.2.2). */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string) =>
    Buffer.concat([lengthOf(value.length), Buffer.from(value, 'latin1')])
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]))
}

/** RFC 7541 §5.1, with a prefix of seven bits. */
function lengthOf(length: number): Buffer {
  if (length < 127) return Buffer.of(length)
  const bytes = [127]
  let rest = length - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

/** A peer that speaks HTTP/2 frame by frame, the wrong ones as well. */
export class FramePeer {
  readonly frames: Frame[] = []
  closed = false
  readonly #socket: TLSSocket
  #bytes: Buffer = Buffer.alloc(0)

  static async connect(t: TestContext, port: number): Promise<FramePeer> {
    const socket = connect({
      ...{ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] },
    })
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    return new FramePeer(socket)
  }

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      for (;;) {
        const size =
          this.#bytes.length < 9 ? Number.POSITIVE_INFINITY : this.#bytes.readUIntBE(0, 3)
        if (this.#bytes.length < 9 + size) return
        const [type = 0, flags = 0] = this.#bytes.subarray(3, 5)
        const stream = this.#bytes.readUInt32BE(5) & 0x7fffffff
        this.frames.push({ type, flags, stream, payload: this.#bytes.subarray(9, 9 + size) })
        this.#bytes = this.#bytes.subarray(9 + size)
      }
    })
  }

  send(...parts: (Buffer | string)[]): void {
    for (const part of parts) this.#socket.write(part, 'latin1')
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** The preface and the settings, as every client begins (§3.4). */
  begin(): this {
    this.send(PREFACE, frame(FRAME.SETTINGS, 0, 0), frame(FRAME.SETTINGS, ACK, 0))
    return this
  }

  request(
    stream: number,
    fields: readonly (readonly [string, string])[],
    flags = END_STREAM,
  ): void {
    this.send(frame(FRAME.HEADERS, flags | END_HEADERS, stream, block(fields)))
  }

  /** The code of the reset of a stream, or of the end of the connection. */
  async fault(stream: number): Promise<number> {
    return until('a reset, or the end', () => {
      const reset = this.frames.find(
        (one) => one.type === FRAME.RST_STREAM && one.stream === stream,
      )
      if (reset !== undefined) return reset.payload.readUInt32BE(0) + 1
      const away = this.frames.find(
        (one) => one.type === FRAME.GOAWAY && one.payload.readUInt32BE(4) !== CODE.NO_ERROR,
      )
      return away === undefined
        ? this.closed
          ? Number.NaN
          : undefined
        : away.payload.readUInt32BE(4) + 1
    }).then((code) => code - 1)
  }

  /** The first frame of a type on a stream. */
  async got(type: number, stream: number): Promise<Frame> {
    return until(`a frame of type ${type} on ${stream}`, () =>
      this.frames.find((one) => one.type === type && one.stream === stream),
    )
  }
}
