import { Document, isMap, isSeq, Scalar, visit } from 'yaml'
import type { YamlValue } from './patch.ts'

/** How a file indents: spaces a level, and spaces before the dashes of a list below its key. */
export interface YamlStyle {
  step: number
  listStep: number
  /** `\n` or `\r\n`. */
  newline: string
}

const OPTIONS = {
  lineWidth: 0,
  blockQuote: false,
  singleQuote: false,
  doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
  flowCollectionPadding: false,
} as const

/** A list of scalars no wider than this is written in one line. */
const LINE_WIDTH = 80

/** A value in one line, as it may stand in a flow collection. */
export function flowText(value: YamlValue): string {
  const document = new Document([value])
  visit(document, {
    Collection(_, node) {
      node.flow = true
    },
  })
  // The list around it makes the writer quote what a list would break on.
  return document.toString(OPTIONS).trimEnd().slice(1, -1)
}

/**
 * A scalar as it may stand after a key in block style: quoted only where YAML needs it, or where the
 * one that it replaces was.
 */
export function scalarText(value: string | number | boolean, like?: Scalar): string {
  const scalar = new Scalar<unknown>(value)
  const quoted = like?.type === Scalar.QUOTE_DOUBLE || like?.type === Scalar.QUOTE_SINGLE
  if (quoted && typeof value === 'string') scalar.type = like.type as Scalar.Type
  return new Document(scalar).toString(OPTIONS).trimEnd()
}

/** A key as it may stand before a colon. */
export function keyText(key: string): string {
  return new Document({ [key]: 0 }).toString(OPTIONS).trimEnd().replace(/: 0$/, '')
}

/**
 * What follows an indicator (`key:` or `-`) in block style, its space or line break included.
 *
 * @param column where the key or the dash stands.
 */
export function blockText(
  value: YamlValue,
  after: 'key' | 'dash',
  column: number,
  style: YamlStyle,
): string {
  if (typeof value !== 'object') return ` ${scalarText(value)}`
  if (isShort(value, column)) return ` ${flowText(value)}`
  const document = new Document(value)
  visit(document, {
    Collection(_, node) {
      const short = isSeq(node)
        ? isShort(node.toJSON() as YamlValue, column)
        : isMap(node) && node.items.length === 0
      if (short) node.flow = true
    },
  })
  const indent = after === 'dash' ? 2 : Array.isArray(value) ? style.listStep : style.step
  const lines = document
    .toString({ ...OPTIONS, indent: style.step, indentSeq: style.listStep > 0 })
    .trimEnd()
    .split('\n')
  const pad = ' '.repeat(column + indent)
  const text = lines.join(style.newline + pad)
  return after === 'dash' ? ` ${text}` : style.newline + pad + text
}

/** An empty collection, or a list of scalars that fits in a line. */
function isShort(value: YamlValue, column: number): boolean {
  if (typeof value !== 'object') return false
  if (!Array.isArray(value)) return Object.keys(value).length === 0
  if (value.some((item) => typeof item === 'object')) return false
  return column + flowText(value).length <= LINE_WIDTH
}
