import type { KeyPath } from './document.ts'
import type { Edit } from './patch.ts'

/*
 * What an edit means, on plain values: the measure by which `edit.ts` checks the text it wrote.
 * A key without a value counts as an empty collection.
 */

type Json = Record<string, unknown>

/** @throws Error when the path leads through a scalar, or to nothing where something must be. */
export function editValue(value: unknown, edit: Edit): unknown {
  switch (edit.op) {
    case 'set':
      return at(value, edit.path, () => edit.value)
    case 'append':
      return at(value, edit.path, (list) => {
        if (list !== undefined && list !== null && !Array.isArray(list)) throw refusal(edit, 'list')
        return [...((list as unknown[] | null | undefined) ?? []), edit.value]
      })
    case 'remove':
      return inParent(value, edit, (parent, step) => {
        if (Array.isArray(parent)) return parent.filter((_, i) => i !== step)
        return Object.fromEntries(Object.entries(parent).filter(([key]) => key !== String(step)))
      })
    case 'rename':
      return inParent(value, edit, (parent, step) => {
        if (Array.isArray(parent)) throw refusal(edit, 'key')
        if (edit.to !== String(step) && Object.hasOwn(parent, edit.to)) {
          throw new Error(`cannot rename ${edit.path.join('.')}: "${edit.to}" is there already`)
        }
        return Object.fromEntries(
          Object.entries(parent).map(([key, inner]) => [
            key === String(step) ? edit.to : key,
            inner,
          ]),
        )
      })
  }
}

/** Replaces what stands at `path`; missing keys on the way are made. */
function at(value: unknown, path: KeyPath, change: (old: unknown) => unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return change(value)
  if (Array.isArray(value)) {
    if (typeof step !== 'number' || step > value.length) throw noSuch(path)
    const copy = [...value]
    copy[step] = at(value[step], rest, change)
    return copy
  }
  if (value !== undefined && value !== null && typeof value !== 'object') throw noSuch(path)
  const map = (value ?? {}) as Json
  return { ...map, [String(step)]: at(map[String(step)], rest, change) }
}

/** Replaces the collection that holds what stands at `edit.path`, which must be there. */
function inParent(
  value: unknown,
  edit: Edit,
  change: (parent: unknown[] | Json, step: string | number) => unknown,
): unknown {
  const step = edit.path.at(-1)
  if (step === undefined) throw refusal(edit, 'key')
  return at(value, edit.path.slice(0, -1), (parent) => {
    const there = Array.isArray(parent)
      ? typeof step === 'number' && step < parent.length
      : typeof parent === 'object' && parent !== null && Object.hasOwn(parent, String(step))
    if (!there) throw refusal(edit, 'key or item')
    return change(parent as unknown[] | Json, step)
  })
}

/** Whether two plain values are the same; the order of keys does not count. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((inner, i) => sameValue(inner, b[i]))
    )
  }
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameValue((a as Json)[key], (b as Json)[key]))
  )
}

const refusal = ({ op, path }: Edit, what: string) =>
  new Error(`cannot ${op} ${path.join('.') || 'the whole file'}: there is no such ${what}`)

const noSuch = (path: KeyPath) => new Error(`cannot go on to ${path.join('.')}: no mapping there`)
