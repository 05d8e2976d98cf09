const DATA_OPCODES = 0x2
const CLOSE = 0x8
/** RFC 6455 §5.2: at most two bytes, eight of length, four of mask. */
const LONGEST_HEAD = 14

/**
 * Where WebSocket frames begin and end in one direction of a connection (RFC 6455 §5.2). It reads
 * the heads of frames alone, which costs a few operations a frame whatever its length.
 */
export class FrameReader {
  readonly #head = Buffer.alloc(LONGEST_HEAD)
  #headBytes = 0
  #payloadLeft = 0
  #closing = false

  /** Whether a frame of our own may stand here: no other is under way, and no close went before. */
  get free(): boolean {
    return this.#headBytes === 0 && this.#payloadLeft === 0 && !this.#closing
  }

  /** @returns whether a frame with data began in it: pongs come without anybody's doing. */
  read(chunk: Buffer): boolean {
    let data = false
    let at = 0
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const skipped = Math.min(this.#payloadLeft, chunk.length - at)
        this.#payloadLeft -= skipped
        at += skipped
        continue
      }
      this.#head[this.#headBytes++] = chunk[at++] ?? 0
      if (this.#headBytes < 2 || this.#headBytes < headLength(this.#head)) continue
      const opcode = (this.#head[0] ?? 0) & 0x0f
      if (opcode <= DATA_OPCODES) data = true
      if (opcode === CLOSE) this.#closing = true
      this.#payloadLeft = payloadLength(this.#head)
      this.#headBytes = 0
    }
    return data
  }
}

const length7 = (head: Buffer) => (head[1] ?? 0) & 0x7f

function headLength(head: Buffer): number {
  const length = { 126: 2, 127: 8 }[length7(head)] ?? 0
  const mask = ((head[1] ?? 0) & 0x80) === 0 ? 0 : 4
  return 2 + length + mask
}

function payloadLength(head: Buffer): number {
  const short = length7(head)
  if (short === 126) return head.readUInt16BE(2)
  return short === 127 ? Number(head.readBigUInt64BE(2)) : short
}

/** A close frame as a server sends it (RFC 6455 §5.5.1); the reason has at most 123 bytes. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, 123)
  const frame = Buffer.alloc(4 + text.length)
  frame[0] = 0x80 | CLOSE
  frame[1] = 2 + text.length
  frame.writeUInt16BE(code, 2)
  text.copy(frame, 4)
  return frame
}
