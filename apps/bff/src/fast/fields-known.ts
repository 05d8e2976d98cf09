import type { Fields } from './request-head.ts'

/** Of all texts together, in each of two generations. */
const MAX_CHARS = 1_048_576

/**
 * What texts said that have been read before. A text is found by all of its letters, so that no
 * request is ever answered by what another one said. Bounded in size: whoever says something new
 * each time pushes out what was not said again meanwhile.
 */
export class FieldsKnown {
  #young = new Map<string, Fields>()
  #old = new Map<string, Fields>()
  #chars = 0

  get(text: string): Fields | undefined {
    const young = this.#young.get(text)
    if (young !== undefined) return young
    const old = this.#old.get(text)
    if (old !== undefined) this.set(text, old)
    return old
  }

  set(text: string, fields: Fields): void {
    this.#chars += text.length
    if (this.#chars > MAX_CHARS) {
      this.#old = this.#young
      this.#young = new Map()
      this.#chars = text.length
    }
    this.#young.set(text, fields)
  }
}
