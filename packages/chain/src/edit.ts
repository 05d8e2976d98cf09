import { parseDocument } from 'yaml'
import { spliceFor } from './edit-splice.ts'
import { editValue, sameValue } from './edit-value.ts'
import type { Edit } from './patch.ts'

/**
 * Changes a YAML text, edit by edit, each on the result of the one before. Only the characters that
 * an edit concerns are written: the ranges of the parsed nodes say where. Comments, quoting, styles
 * and templates elsewhere stay byte for byte; a removed key takes its own lines and the comment
 * right above it along.
 *
 * @throws Error when an edit cannot be made, or when the result would not mean exactly what the
 * edits say: a file is never left with another meaning than the one that was asked for.
 */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = text
  let document = parse(result)
  for (const edit of edits) {
    const before: unknown = document.toJS()
    const meant = editValue(before, edit)
    if (sameValue(before, meant) && edit.op !== 'rename') continue
    const { from, to, text: written } = spliceFor(document, result, edit)
    result = result.slice(0, from) + written + result.slice(to)
    document = parse(result)
    if (!sameValue(document.toJS(), meant)) {
      throw new Error(
        `cannot ${edit.op} ${edit.path.join('.')} without changing something else; do it by hand`,
      )
    }
  }
  return result
}

function parse(text: string) {
  const document = parseDocument(text, { keepSourceTokens: true, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) throw new Error(`cannot edit a file that is not YAML: ${error.message}`)
  return document
}
