import { TOKEN } from '../proxy/letters.ts'

const CR = 13
const LF = 10
const TAB = 9
const SPACE = 0x20
const DELETE = 0x7f
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Sizes, extensions and trailers of one body; more is nobody's need. */
const MAX_EXTRA_BYTES = 16_384
const MAX_SIZE_DIGITS = 8

type Step =
  | 'size'
  | 'extension'
  | 'extension name'
  | 'extension value'
  | 'quoted'
  | 'quoted pair'
  | 'after quoted'
  | 'size LF'
  | 'data'
  | 'data CR'
  | 'data LF'
  | 'trailer'
  | 'trailer name'
  | 'trailer value'
  | 'trailer LF'
  | 'end LF'
  | 'done'
  | 'invalid'

/**
 * Reads a chunked body (RFC 9112 §7.1), by what it accepts. Extensions are read and dropped, as
 * §7.1.1 has it.
 */
export class ChunkReader {
  #step: Step = 'size'
  #digits = 0
  #left = 0
  #extra = 0
  #name = ''
  #value = ''
  readonly #trailers: string[] = []

  get done(): boolean {
    return this.#step === 'done'
  }

  /** Names and values in turn, once it is done. */
  get trailers(): readonly string[] {
    return this.#trailers
  }

  get invalid(): boolean {
    return this.#step === 'invalid'
  }

  /**
   * @param data told of each piece of the body.
   * @returns where it stopped: at `to`, behind the body's end, or where it is invalid.
   */
  read(
    bytes: Uint8Array,
    from: number,
    to: number,
    data: (from: number, to: number) => void,
  ): number {
    let at = from
    while (at < to && this.#step !== 'done' && this.#step !== 'invalid') {
      if (this.#step === 'data') {
        const end = Math.min(to, at + this.#left)
        data(at, end)
        this.#left -= end - at
        at = end
        if (this.#left === 0) this.#step = 'data CR'
        continue
      }
      this.#step = ++this.#extra > MAX_EXTRA_BYTES ? 'invalid' : this.#next(bytes[at] ?? 0)
      if (this.#step !== 'invalid') at++
    }
    return at
  }

  #next(byte: number): Step {
    switch (this.#step) {
      case 'size': {
        const digit = hexDigit(byte)
        if (digit !== undefined) {
          this.#left = this.#left * 16 + digit
          return ++this.#digits > MAX_SIZE_DIGITS ? 'invalid' : 'size'
        }
        if (this.#digits === 0) return 'invalid'
        return byte === SEMICOLON ? 'extension' : byte === CR ? 'size LF' : 'invalid'
      }
      case 'extension':
        return TOKEN[byte] === 1 ? 'extension name' : 'invalid'
      case 'extension name':
        if (TOKEN[byte] === 1) return 'extension name'
        if (byte === EQUALS) return 'extension value'
        return this.#afterExtension(byte)
      case 'extension value':
        if (TOKEN[byte] === 1) return 'extension value'
        return byte === QUOTE ? 'quoted' : this.#afterExtension(byte)
      case 'quoted':
        if (byte === QUOTE) return 'after quoted'
        if (byte === BACKSLASH) return 'quoted pair'
        return isText(byte) ? 'quoted' : 'invalid'
      case 'quoted pair':
        return isText(byte) ? 'quoted' : 'invalid'
      case 'after quoted':
        return this.#afterExtension(byte)
      case 'size LF':
        if (byte !== LF) return 'invalid'
        this.#digits = 0
        this.#name = ''
        if (this.#left > 0) {
          // What surrounds the data is not extra: a long body has many chunks.
          this.#extra = 0
          return 'data'
        }
        return 'trailer'
      case 'data CR':
        return byte === CR ? 'data LF' : 'invalid'
      case 'data LF':
        return byte === LF ? 'size' : 'invalid'
      case 'trailer':
        if (byte === CR) return 'end LF'
        this.#name = String.fromCharCode(byte)
        return TOKEN[byte] === 1 ? 'trailer name' : 'invalid'
      case 'trailer name':
        if (byte === 0x3a) {
          this.#value = ''
          return isFraming(this.#name) ? 'invalid' : 'trailer value'
        }
        this.#name += String.fromCharCode(byte)
        return TOKEN[byte] === 1 ? 'trailer name' : 'invalid'
      case 'trailer value':
        if (byte === CR) {
          this.#trailers.push(this.#name, this.#value.trim())
          return 'trailer LF'
        }
        this.#value += String.fromCharCode(byte)
        return isText(byte) ? 'trailer value' : 'invalid'
      case 'trailer LF':
        return byte === LF ? 'trailer' : 'invalid'
      case 'end LF':
        return byte === LF ? 'done' : 'invalid'
      default:
        return 'invalid'
    }
  }

  #afterExtension(byte: number): Step {
    return byte === SEMICOLON ? 'extension' : byte === CR ? 'size LF' : 'invalid'
  }
}

function hexDigit(byte: number): number | undefined {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte | 0x20
  return letter >= 97 && letter <= 102 ? letter - 87 : undefined
}

const isText = (byte: number) => (byte >= SPACE && byte !== DELETE) || byte === TAB

/** A trailer that would say again, and differently, where the body ends. */
function isFraming(name: string): boolean {
  const lower = name.toLowerCase()
  return lower === 'content-length' || lower === 'transfer-encoding'
}
