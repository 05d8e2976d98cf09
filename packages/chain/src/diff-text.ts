import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'

/** The change of one file as a unified diff that `patch -p1` and `git apply` take; empty for none. */
export function diffText(file: string, before: string, after: string): string {
  if (before === after) return ''
  const name = file.replace(/^\/+/, '')
  return createTwoFilesPatch(`a/${name}`, `b/${name}`, before, after, undefined, undefined, {
    context: 3,
    headerOptions: FILE_HEADERS_ONLY,
  })
}
