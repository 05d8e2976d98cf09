import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BrokenRoute } from '../src/api/admin.ts'
import { explainCommand, reloadOutcome, verdictOf } from '../src/bridge-state.ts'
import { groupBroken } from '../src/broken-links.ts'

const broken = (route: string, line: number, mend = 'add it'): BrokenRoute => ({
  route,
  service: 's',
  link: 'client',
  state: 'broken',
  code: 'client_unknown',
  found: 'a',
  expected: 'b',
  at: { file: 'f.yaml', line, column: 1 },
  mend,
})

test('the verdict names what is worst', () => {
  const verdict = (refused: boolean, routes: number) =>
    verdictOf({ refused, broken_links: Array.from({ length: routes }, () => broken('r', 1)) })
  assert.deepEqual(verdict(false, 0), { tone: 'ok', text: 'No route is broken' })
  assert.deepEqual(verdict(false, 1), { tone: 'bad', text: '1 route is broken' })
  assert.deepEqual(verdict(false, 2), { tone: 'bad', text: '2 routes are broken' })
  assert.deepEqual(verdict(true, 0), { tone: 'bad', text: 'The files on disk are refused' })
  assert.equal(verdict(true, 2).text, 'The files on disk are refused, and 2 routes are broken')
})

test('a reload tells whether anything is in force now that was not', () => {
  const status = { version: 'b', loaded_at: '', refused: false, faults: [] }
  assert.match(reloadOutcome('a', status), /version b is in force/)
  assert.match(reloadOutcome('b', status), /nothing has changed/)
  assert.match(
    reloadOutcome('b', { ...status, refused: true, faults: ['x'] }),
    /refused: 1 fault\. Version b stays in force/,
  )
})

test('what one mend heals is shown once, what stops most routes first', () => {
  const groups = groupBroken([broken('a', 1), broken('b', 2), broken('c', 2), broken('d', 2, 'no')])
  assert.deepEqual(
    groups.map(({ routes }) => routes),
    [['b', 'c'], ['a'], ['d']],
  )
})

test('the command can be pasted, whatever the id', () => {
  assert.equal(explainCommand('06d21851-9cdb'), 'npx bridge explain 06d21851-9cdb')
  // An id from a link that somebody was sent must not run as a command of its own.
  assert.equal(explainCommand("a';rm -rf ~"), "npx bridge explain 'a'\\'';rm -rf ~'")
})
