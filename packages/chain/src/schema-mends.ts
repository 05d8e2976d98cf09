import type { z } from 'zod'
import { nearest } from './nearest.ts'
import type { Edit } from './patch.ts'
import { schemaAt } from './schema.ts'

/* Edits for what a schema finds wrong, where what was meant can be told from what was written. */

type Path = readonly (string | number)[]

/** A key that nothing knows: what it was meant to be, or gone. */
export function unknownKeyEdit(
  path: Path,
  unknown: string,
  meant: string | undefined,
  siblings: readonly string[],
): Edit | undefined {
  if (meant === undefined) return { op: 'remove', path: [...path, unknown] }
  // With both there, a person must say whose value counts.
  if (siblings.includes(meant)) return undefined
  return { op: 'rename', path: [...path, unknown], to: meant }
}

/** A key that is not there: an unknown one beside it was meant, or it may be empty. */
export function missingKeyEdit(
  schema: z.ZodType,
  path: Path,
  unknownBeside: readonly string[],
): Edit | undefined {
  const name = String(path.at(-1))
  const meant = unknownBeside.filter((unknown) => nearest(unknown, [name]) !== undefined)
  if (meant.length > 0) {
    return meant.length > 1
      ? undefined
      : { op: 'rename', path: [...path.slice(0, -1), meant[0] ?? ''], to: name }
  }
  const mayBeEmpty = schemaAt(schema, path)?.safeParse({}).success === true
  return mayBeEmpty ? { op: 'set', path, value: {} } : undefined
}

/** Keys of the documentation that protect nothing: without them nothing is less closed than before. */
const HARMLESS = new Set([
  'cache',
  'dev_mode_enabled',
  'dev_origins',
  'kafka',
  'strategy',
  'token_refresh_threshold',
])

/** A key that nothing implements: gone, unless its author may believe that it closes something. */
export function unusedKeyEdit(path: Path): Edit | undefined {
  return HARMLESS.has(String(path.at(-1))) ? { op: 'remove', path } : undefined
}

/**
 * A value of the wrong kind that can be read as the right one.
 *
 * @param text the value as it is written; undefined for a collection.
 */
export function valueEdit(
  issue: z.core.$ZodIssue,
  path: Path,
  text: string | undefined,
): Edit | undefined {
  // A template's value comes from elsewhere: writing it out would cut that off.
  if (text?.includes('${')) return undefined
  const value = meantValue(issue, String(path.at(-1)), text)
  return value === undefined ? undefined : { op: 'set', path, value }
}

function meantValue(issue: z.core.$ZodIssue, name: string, text: string | undefined) {
  if (issue.code === 'invalid_value' && text !== undefined) {
    const meant = nearest(text, issue.values.map(String))
    // `auth: non` may have been meant to close a route; nobody opens one by guessing.
    return meant === 'none' ? undefined : meant
  }
  if (issue.code === 'invalid_format' && name === 'oauth_scopes' && text !== undefined) {
    const scopes = text.split(/[\s,]+/).filter((scope) => /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(scope))
    return scopes.length > 0 ? scopes.join(' ') : undefined
  }
  if (issue.code !== 'invalid_type') return undefined
  switch (issue.expected) {
    case 'number':
    case 'int':
      return text !== undefined && /^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$/.test(text)
        ? Number(text)
        : undefined
    case 'boolean':
      if (text === undefined || !/^(true|false|yes|no|on|off)$/i.test(text)) return undefined
      return /^(true|yes|on)$/i.test(text)
    case 'array': {
      const items = (text ?? '').split(/[\s,]+/).filter((item) => item !== '')
      return items.length > 0 ? items : undefined
    }
    case 'string':
      if (text !== undefined) return text
      return name === 'oauth_scopes' && isTexts(issue.input) ? issue.input.join(' ') : undefined
    default:
      return undefined
  }
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')
