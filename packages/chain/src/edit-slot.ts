import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import type { KeyPath } from './document.ts'
import type { YamlStyle } from './yaml-text.ts'

/* Where things stand in a YAML text, by the parser's ranges and tokens. */

/** Where a value stands or could stand. */
export type Slot =
  | { kind: 'root'; node: Node | null; inFlow: false }
  | { kind: 'pair'; map: YAMLMap; index: number; pair: Pair; node: Node | null; inFlow: boolean }
  | { kind: 'item'; seq: YAMLSeq; index: number; node: Node | null; inFlow: boolean }

/** The deepest slot on `path` that stands in the text, and the steps that do not. */
export function findSlot(document: Document, path: KeyPath): { slot: Slot; rest: KeyPath } {
  let slot: Slot = { kind: 'root', node: document.contents as Node | null, inFlow: false }
  for (const [i, step] of path.entries()) {
    const { node }: Slot = slot
    const inFlow: boolean = slot.inFlow || (isCollection(node) && node.flow === true)
    if (isMap(node)) {
      const index = node.items.findIndex((pair) => keyOf(pair) === String(step))
      const pair: Pair | undefined = node.items[index]
      if (pair === undefined) return { slot, rest: path.slice(i) }
      slot = { kind: 'pair', map: node, index, pair, node: pair.value as Node | null, inFlow }
    } else if (isSeq(node) && typeof step === 'number' && step < node.items.length) {
      slot = { kind: 'item', seq: node, index: step, node: node.items[step] as Node, inFlow }
    } else return { slot, rest: path.slice(i) }
  }
  return { slot, rest: [] }
}

const keyOf = (pair: Pair) => (isScalar(pair.key) ? String(pair.key.value) : undefined)

export function rangeOf(node: Node): [from: number, to: number] {
  const [from, to] = node.range ?? fail('a node without a place')
  return [from, to]
}

export const startOf = (node: Node): number => rangeOf(node)[0]

export function keyNode(pair: Pair): Scalar {
  return isScalar(pair.key) ? pair.key : fail('a key that is no scalar')
}

/** The offset after the colon of a key. */
export function colonEnd(pair: Pair): number {
  const token = pair.srcToken?.sep?.find(({ type }) => type === 'map-value-ind')
  return token === undefined ? fail('a key without a colon') : token.offset + 1
}

/** The offset of the dash before an item of a block list. */
export function dashOf(seq: YAMLSeq, index: number): number {
  const token = seq.srcToken
  const items = token !== undefined && 'items' in token ? token.items : []
  const dash = items[index]?.start.find(({ type }) => type === 'seq-item-ind')
  return dash === undefined ? fail('a list without dashes') : dash.offset
}

/** The offset from which a slot's value may be written anew, and the column of what leads it. */
export function leadOf(text: string, slot: Slot): { from: number; column: number } {
  if (slot.kind === 'root') return { from: 0, column: 0 }
  if (slot.kind === 'pair') {
    return { from: colonEnd(slot.pair), column: columnOf(text, startOf(keyNode(slot.pair))) }
  }
  const dash = dashOf(slot.seq, slot.index)
  return { from: dash + 1, column: columnOf(text, dash) }
}

/** The offset after the last character of a value that is no space, line break or comment. */
export function contentEnd(text: string, node: Node | null, emptyAt: number): number {
  if (node === null) return emptyAt
  if (isMap(node) && node.flow !== true) {
    const last = node.items.at(-1)
    return last === undefined ? emptyAt : pairEnd(text, last)
  }
  if (isSeq(node) && node.flow !== true) {
    const last = node.items.length - 1
    return contentEnd(text, (node.items[last] as Node | undefined) ?? null, dashOf(node, last) + 1)
  }
  const [from, to] = rangeOf(node)
  if (isScalar(node) && isBlockScalar(node)) return text[to - 1] === '\n' ? to - 1 : to
  // An empty value has the place of whatever comes next.
  return from === to ? emptyAt : to
}

export const isBlockScalar = (node: Scalar) =>
  node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED

export function pairEnd(text: string, pair: Pair): number {
  if (pair.srcToken?.sep?.some(({ type }) => type === 'map-value-ind') !== true) {
    return rangeOf(keyNode(pair))[1]
  }
  return contentEnd(text, pair.value as Node | null, colonEnd(pair))
}

export const itemEnd = (text: string, seq: YAMLSeq, index: number): number =>
  seq.flow === true
    ? rangeOf(seq.items[index] as Node)[1]
    : contentEnd(text, seq.items[index] as Node | null, dashOf(seq, index) + 1)

/** The end of the line of `offset`: where its line break stands, or the end of the text. */
export function lineEnd(text: string, offset: number): number {
  const at = text.indexOf('\n', offset)
  if (at === -1) return text.length
  return text[at - 1] === '\r' && at > offset ? at - 1 : at
}

export const lineStart = (text: string, offset: number): number =>
  offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1

export const columnOf = (text: string, offset: number): number => offset - lineStart(text, offset)

/** How the file indents, by its first nested mapping and its first list below a key. */
export function styleOf(document: Document, text: string): YamlStyle {
  let step: number | undefined
  let listStep: number | undefined
  visit(document, {
    Pair(_, pair) {
      const { key, value } = pair
      if (!isScalar(key) || !isCollection(value) || value.flow === true) return
      const own = columnOf(text, startOf(key))
      if (isMap(value)) step ??= columnOf(text, startOf(value)) - own
      else if (isSeq(value)) listStep ??= columnOf(text, dashOf(value, 0)) - own
    },
  })
  return {
    step: step ?? 2,
    listStep: listStep ?? step ?? 2,
    newline: text.includes('\r\n') ? '\r\n' : '\n',
  }
}

function fail(what: string): never {
  throw new Error(`cannot edit: ${what}`)
}
