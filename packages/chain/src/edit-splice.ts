import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import type { KeyPath } from './document.ts'
import { removeEntry } from './edit-remove.ts'
import {
  columnOf,
  contentEnd,
  dashOf,
  findSlot,
  isBlockScalar,
  itemEnd,
  keyNode,
  leadOf,
  lineEnd,
  lineStart,
  pairEnd,
  rangeOf,
  type Slot,
  startOf,
  styleOf,
} from './edit-slot.ts'
import type { Edit, YamlValue } from './patch.ts'
import { blockText, flowText, keyText, scalarText, type YamlStyle } from './yaml-text.ts'

/** One replacement in a text. */
export interface Splice {
  from: number
  to: number
  text: string
}

/** What to replace so that the text means what the edit asks for. */
export function spliceFor(document: Document, text: string, edit: Edit): Splice {
  const { slot, rest } = findSlot(document, edit.path)
  const writer = new Writer(text, styleOf(document, text))
  switch (edit.op) {
    case 'set':
      return writer.set(slot, rest, edit.value)
    case 'append':
      if (rest.length === 0 && isSeq(slot.node) && slot.node.items.length > 0) {
        return writer.addItem(slot.node, slot.inFlow || slot.node.flow === true, edit.value)
      }
      return writer.set(slot, rest, [edit.value])
    case 'remove':
      return removeEntry(text, document, edit.path)
    case 'rename': {
      if (slot.kind !== 'pair') throw new Error(`no key ${edit.path.join('.')}`)
      const [from, to] = rangeOf(keyNode(slot.pair))
      return { from, to, text: slot.inFlow ? flowText(edit.to) : keyText(edit.to) }
    }
  }
}

class Writer {
  readonly #text: string
  readonly #style: YamlStyle

  constructor(text: string, style: YamlStyle) {
    this.#text = text
    this.#style = style
  }

  set(slot: Slot, rest: KeyPath, value: YamlValue): Splice {
    const [step, ...deeper] = rest
    if (step === undefined) return this.#replace(slot, value)
    const { node } = slot
    const isEmpty =
      node === null ||
      (isScalar(node) && node.value === null) ||
      (isCollection(node) && node.items.length === 0)
    if (isEmpty) return this.#replace(slot, nest(rest, value))
    const inFlow = slot.inFlow || (isCollection(node) && node.flow === true)
    if (isMap(node)) return this.#addPair(node, inFlow, String(step), nest(deeper, value))
    if (isSeq(node)) return this.addItem(node, inFlow, nest(deeper, value))
    throw new Error(`no mapping at ${rest.join('.')}`)
  }

  #replace(slot: Slot, value: YamlValue): Splice {
    const text = this.#text
    const { node } = slot
    if (node !== null) {
      const [from, to] = rangeOf(node)
      if (slot.inFlow) return { from, to, text: `${from === to ? ' ' : ''}${flowText(value)}` }
      const inLine = isCollection(node)
        ? node.flow === true && !isEmptyMap(node)
        : isScalar(node) && !isBlockScalar(node)
      if (from < to && inLine) {
        if (typeof value !== 'object') {
          return { from, to, text: scalarText(value, isScalar(node) ? node : undefined) }
        }
        const written = blockText(value, 'key', columnOf(text, from), this.#style)
        if (isCollection(node) && !written.startsWith(this.#style.newline)) {
          return { from, to, text: written.slice(1) }
        }
      }
    }
    if (slot.kind === 'root') return this.#replaceRoot(slot, value)
    const { from, column } = leadOf(text, slot)
    const after = slot.kind === 'pair' ? 'key' : 'dash'
    return {
      from,
      to: contentEnd(text, node, from),
      text: blockText(value, after, column, this.#style),
    }
  }

  /** A file without content, or with one value: comments above it stay. */
  #replaceRoot({ node }: Slot, value: YamlValue): Splice {
    const text = this.#text
    const { newline } = this.#style
    // As after the dash of a list two columns further left.
    const written = blockText(value, 'dash', -2, this.#style).trimStart()
    if (node !== null && (!isScalar(node) || node.value !== null)) {
      return { from: startOf(node), to: contentEnd(text, node, startOf(node)), text: written }
    }
    const gap = text === '' || text.endsWith('\n') ? '' : newline
    return { from: text.length, to: text.length, text: gap + written + newline }
  }

  #addPair(map: YAMLMap, inFlow: boolean, key: string, value: YamlValue): Splice {
    const text = this.#text
    const first = map.items[0]
    const last = map.items.at(-1)
    if (first === undefined || last === undefined) throw new Error('an empty mapping')
    if (inFlow) {
      return this.#addInFlow(
        startOf(keyNode(last)),
        pairEnd(text, last),
        `${flowText(key)}: ${flowText(value)}`,
      )
    }
    const column = columnOf(text, startOf(keyNode(first)))
    const before = map.items.at(-2)
    const spaced =
      before !== undefined && hasBlankLine(text, pairEnd(text, before), startOf(keyNode(last)))
    return this.#addLines(
      pairEnd(text, last),
      spaced,
      `${' '.repeat(column)}${keyText(key)}:${blockText(value, 'key', column, this.#style)}`,
    )
  }

  addItem(seq: YAMLSeq, inFlow: boolean, value: YamlValue): Splice {
    const text = this.#text
    const last = seq.items.length - 1
    if (inFlow) {
      const [from, to] = rangeOf(seq.items[last] as never)
      return this.#addInFlow(from, to, flowText(value))
    }
    const column = columnOf(text, dashOf(seq, 0))
    const spaced = last > 0 && hasBlankLine(text, itemEnd(text, seq, last - 1), dashOf(seq, last))
    return this.#addLines(
      itemEnd(text, seq, last),
      spaced,
      `${' '.repeat(column)}-${blockText(value, 'dash', column, this.#style)}`,
    )
  }

  /** Behind the last entry of a flow collection; on a line of its own where that one has one. */
  #addInFlow(lastStart: number, lastEnd: number, written: string): Splice {
    const text = this.#text
    const pad = text.slice(lineStart(text, lastStart), lastStart)
    // A comment there would swallow the comma, or go over to the new entry.
    const ownLine =
      /^[ \t]+$/.test(pad) && /^,?[ \t]*$/.test(text.slice(lastEnd, lineEnd(text, lastEnd)))
    const gap = ownLine ? this.#style.newline + pad : ' '
    return { from: lastEnd, to: lastEnd, text: `,${gap}${written}` }
  }

  #addLines(lastEnd: number, spaced: boolean, written: string): Splice {
    const { newline } = this.#style
    const at = lineEnd(this.#text, lastEnd)
    return { from: at, to: at, text: newline + (spaced ? newline : '') + written }
  }
}

const isEmptyMap = (node: unknown) => isMap(node) && node.items.length === 0

/** A value with its missing parents. */
function nest(path: KeyPath, value: YamlValue): YamlValue {
  return path.reduceRight<YamlValue>((inner, step) => ({ [String(step)]: inner }), value)
}

function hasBlankLine(text: string, from: number, to: number): boolean {
  return /\n[ \t]*\r?\n/.test(text.slice(from, to))
}
