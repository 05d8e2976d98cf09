import type { SourceFile } from './document.ts'
import type { Place } from './fault.ts'

/** Lines and columns of offsets; the lines are counted when the first place is asked for. */
export class LinePlaces {
  readonly #source: SourceFile
  #starts: number[] | undefined

  constructor(source: SourceFile) {
    this.#source = source
  }

  at(offset: number): Place {
    this.#starts ??= lineStarts(this.#source.text)
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    const start = this.#starts[low] ?? 0
    return { file: this.#source.file, line: low + 1, column: offset - start + 1 }
  }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
