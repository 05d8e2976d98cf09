import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesOf, ROOT } from '../conventions/files.ts'

/** A fenced block of a page. */
export interface Block {
  page: string
  line: number
  language: string
  /** What follows the language: how a test treats the block. */
  tags: string[]
  text: string
}

export const PAGES = filesOf('{*,docs/**/*,packages/*/*}.md')

export const readPage = (page: string) => readFileSync(join(ROOT, page), 'utf8')

export function blocksOf(page: string): Block[] {
  const text = readPage(page)
  return [...text.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```$/gms)].map(
    ({ index, 1: language = '', 2: info = '', 3: body = '' }) => ({
      page,
      line: text.slice(0, index).split('\n').length,
      language,
      tags: info.trim() === '' ? [] : info.trim().split(' '),
      text: body,
    }),
  )
}

/** A link to another file of ours, and the heading in it. */
export interface Link {
  line: number
  target: string
  anchor: string | undefined
}

export function linksOf(page: string): Link[] {
  // What stands in a fence is no link; its lines stay, so that line numbers do.
  const text = readPage(page).replace(/^```.*?^```$/gms, (block) => block.replace(/[^\n]/g, ''))
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(({ index, 1: href = '' }) => {
    if (/^[a-z]+:/.test(href)) return []
    const [target = '', anchor] = href.split('#')
    return [{ line: text.slice(0, index).split('\n').length, target, anchor }]
  })
}

/** The anchors that a page's headings make. */
export function anchorsOf(page: string): Set<string> {
  const headings = readPage(page).matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  )
}
