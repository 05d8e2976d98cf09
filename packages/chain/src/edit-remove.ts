import { type Document, isMap, isSeq, type Node, type YAMLMap, type YAMLSeq } from 'yaml'
import type { KeyPath } from './document.ts'
import {
  columnOf,
  contentEnd,
  dashOf,
  findSlot,
  itemEnd,
  keyNode,
  leadOf,
  lineEnd,
  lineStart,
  pairEnd,
  rangeOf,
  startOf,
} from './edit-slot.ts'
import type { Splice } from './edit-splice.ts'

/** An entry of a collection, by offsets: from its key or dash to the end of its value. */
interface Extent {
  from: number
  to: number
}

/** What to cut so that the key or item at `path` is gone. */
export function removeEntry(text: string, document: Document, path: KeyPath): Splice {
  const { slot: parent } = findSlot(document, path.slice(0, -1))
  const { slot, rest } = findSlot(document, path)
  if (rest.length > 0 || slot.kind === 'root') throw new Error(`no ${path.join('.')} to remove`)
  const collection = slot.kind === 'pair' ? slot.map : slot.seq
  const { index } = slot
  if (slot.inFlow) return removeFromFlow(text, collection, index)
  if (collection.items.length > 1) return removeLines(text, collection, index)
  // The last one: an empty collection stays.
  const empty = isMap(collection) ? '{}' : '[]'
  const to = contentEnd(text, collection, startOf(collection))
  if (parent.kind === 'root') return { from: startOf(collection), to, text: empty }
  return { from: leadOf(text, parent).from, to, text: ` ${empty}` }
}

function extentOf(text: string, collection: YAMLMap | YAMLSeq, index: number): Extent {
  if (isSeq(collection)) {
    const item = collection.items[index] as Node
    return {
      from: collection.flow === true ? startOf(item) : dashOf(collection, index),
      to: itemEnd(text, collection, index),
    }
  }
  const pair = collection.items[index]
  if (pair === undefined) throw new Error('no such key')
  return { from: startOf(keyNode(pair)), to: pairEnd(text, pair) }
}

/** One comma goes along. */
function removeFromFlow(text: string, collection: YAMLMap | YAMLSeq, index: number): Splice {
  const own = extentOf(text, collection, index)
  if (index + 1 < collection.items.length) {
    return { from: own.from, to: extentOf(text, collection, index + 1).from, text: '' }
  }
  if (index > 0) {
    return { from: extentOf(text, collection, index - 1).to, to: own.to, text: '' }
  }
  const [from, to] = rangeOf(collection)
  return { from: from + 1, to: to - 1, text: '' }
}

function removeLines(text: string, collection: YAMLMap | YAMLSeq, index: number): Splice {
  const { from, to } = extentOf(text, collection, index)
  const start = lineStart(text, from)
  const end = nextLine(text, to)
  if (text.slice(start, from).trim() !== '') {
    // It shares its line with the dash of the list around it, which now leads the next entry.
    const shift = text.slice(end).search(/\S/)
    return { from, to: end + Math.max(0, shift), text: '' }
  }
  const top = index === 0 ? start : commentStart(text, start, columnOf(text, from))
  // Of two gaps that would meet, one goes.
  const above = lineStart(text, Math.max(0, top - 1))
  const blankAbove = top > 0 && text.slice(above, top).trim() === ''
  const blankBelow = end === text.length || text.slice(end, nextLine(text, end)).trim() === ''
  return { from: blankAbove && blankBelow ? above : top, to: end, text: '' }
}

/** The start of the comment lines right above, which speak of the entry and go with it. */
function commentStart(text: string, start: number, column: number): number {
  let top = start
  while (top > 0) {
    const above = lineStart(text, top - 1)
    const line = text.slice(above, top)
    if (line.search(/\S/) !== column || line[column] !== '#') break
    top = above
  }
  return top
}

function nextLine(text: string, offset: number): number {
  const at = text.indexOf('\n', lineEnd(text, offset))
  return at === -1 ? text.length : at + 1
}
