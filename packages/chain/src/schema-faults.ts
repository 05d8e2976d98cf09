import type { Document } from 'yaml'
import type { z } from 'zod'
import type { Fault, Place } from './fault.ts'
import { showValue } from './hidden.ts'
import { nearest } from './nearest.ts'
import type { Edit, Patch } from './patch.ts'
import { knownKeys } from './schema.ts'
import { missingKeyEdit, unknownKeyEdit, unusedKeyEdit, valueEdit } from './schema-mends.ts'
import { keyOffset, keysAt, offsetOf, textAt } from './yaml-place.ts'

/** What a schema finds wrong with a file, with place and mend. */
export function schemaFaults(
  error: z.ZodError,
  schema: z.ZodType,
  document: Document,
  placeAt: (offset: number) => Place,
): Fault[] {
  const issues = error.issues.flatMap(deepestIssues)
  const { file } = placeAt(0)
  const patch = (edit: Edit | undefined): { patch?: Patch } =>
    edit === undefined ? {} : { patch: { file, edits: [edit] } }
  const unknownAt = (path: string) =>
    issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' && issue.path.join('.') === path ? issue.keys : [],
    )
  return issues.flatMap((issue): Fault[] => {
    const path = issue.path.filter((step) => typeof step !== 'symbol')
    const key = path.join('.')
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((unknown) => {
        const known = knownKeys(schema, path)
        const meant = nearest(unknown, known)
        return {
          kind: 'malformed',
          code: 'unknown_key',
          at: placeAt(keyOffset(document, path, unknown)),
          key: [...path, unknown].join('.'),
          found: `the unknown key "${unknown}"`,
          expected: known.length === 0 ? 'a documented key' : `one of ${known.join(', ')}`,
          mend: meant === undefined ? 'delete the key' : `did you mean "${meant}"?`,
          ...patch(unknownKeyEdit(path, unknown, meant, keysAt(document, path))),
        }
      })
    }
    const params: Record<string, unknown> = issue.code === 'custom' ? (issue.params ?? {}) : {}
    const missing = issue.input === undefined
    const edit = missing
      ? missingKeyEdit(schema, path, unknownAt(path.slice(0, -1).join('.')))
      : typeof params.code === 'string'
        ? unusedKeyEdit(path)
        : valueEdit(issue, path, textAt(document, path))
    return [
      {
        kind: 'malformed',
        code:
          typeof params.code === 'string' ? params.code : missing ? 'missing_key' : 'invalid_value',
        at: placeAt(offsetOf(document, path)),
        key,
        found:
          typeof params.found === 'string'
            ? params.found
            : missing
              ? 'nothing'
              : shorten(showValue(issue.input)),
        expected: typeof params.expected === 'string' ? params.expected : expectation(issue),
        mend:
          typeof params.mend === 'string'
            ? params.mend
            : missing
              ? `add the key "${key}"`
              : key === ''
                ? 'make the file a mapping of keys to values'
                : `change the value of "${key}"`,
        ...patch(edit),
      },
    ]
  })
}

/** Of a union that failed, the issues of the branch that came nearest. */
function deepestIssues(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
  const depth = (branch: z.core.$ZodIssue[]) => Math.max(...branch.map(({ path }) => path.length))
  const best = issue.errors.reduce((a, b) => (depth(b) > depth(a) ? b : a))
  if (depth(best) === 0) return [issue]
  return best.flatMap((inner) => deepestIssues({ ...inner, path: [...issue.path, ...inner.path] }))
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${article(issue.expected)} ${issue.expected}`
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`
    case 'invalid_union':
      return [...new Set(issue.errors.flat().map(expectation))].join(' or ')
    default:
      // Of zod's own words, what is expected: "Too big: expected number to be <=9".
      return issue.message.replace(/^(Too (big|small): (expected )?|Invalid ([a-z]+: )?)/, '')
  }
}

const article = (word: string) => (/^[aeiou]/.test(word) ? 'an' : 'a')
const shorten = (text: string | undefined) =>
  text === undefined ? 'nothing' : text.length > 120 ? `${text.slice(0, 117)}…` : text
