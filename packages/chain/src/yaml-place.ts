import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml'
import type { KeyPath } from './document.ts'

/* Where things stand in a parsed file, as offsets. */

/** The start of a key's value, or of its nearest ancestor that stands in the file. */
export function offsetOf(document: Document, path: KeyPath): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => keyText(item) === String(step))
      if (pair === undefined) return offset
      node = pair.value
      offset = startOf(node) ?? startOf(pair.key) ?? offset
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step]
      offset = startOf(node) ?? offset
    } else return offset
  }
  return offset
}

export function startOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)
    ? (node as Node).range?.[0]
    : undefined
}

export function keyText(pair: Pair): string | undefined {
  return isScalar(pair.key) ? String(pair.key.value) : undefined
}

/** The offset of a key itself (not of its value), for faults about the key. */
export function keyOffset(document: Document, parent: KeyPath, key: string): number {
  const node = parent.length === 0 ? document.contents : document.getIn(parent, true)
  if (!isMap(node)) return offsetOf(document, parent)
  const pair = node.items.find((item) => keyText(item) === key)
  return startOf(pair?.key) ?? offsetOf(document, parent)
}

/** A scalar as it is written, templates and all; undefined where none stands. */
export function textAt(document: Document, path: KeyPath): string | undefined {
  const node: unknown = document.getIn(path, true)
  return isScalar(node) && node.value !== null ? node.source : undefined
}

export function keysAt(document: Document, path: KeyPath): string[] {
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true)
  return isMap(node) ? node.items.flatMap((pair) => keyText(pair) ?? []) : []
}
