import type { NarrowedService, Narrowing } from '@audience-bridge/chain/narrow.ts'
import type { MappingItem } from '@audience-bridge/chain/narrow-mappings.ts'
import type { ScopeUsageRow } from '@audience-bridge/chain/scope-usage.ts'
import { renderTable } from '../live/table.ts'

/** What patches change in one file. */
export interface Change {
  /** As it is opened. */
  file: string
  /** As it is named to people: from the directory of the configuration on. */
  shown: string
  after: string
  diff: string
}

export interface Report {
  usage: { from: string; to: string }
  days: number
  narrowing: Narrowing
  /** The BFF team's. */
  ours: Change | undefined
  /** The IdP team's. */
  theirs: Change | undefined
  written: boolean
}

/** Service by service what was used and what would do; then the changes, by owner. */
export function renderNarrowing({ usage, days, narrowing, ours, theirs, written }: Report): string {
  const parts = [
    `Scopes that calls needed in ${days} ${days === 1 ? 'day' : 'days'}, from ${minute(usage.from)} to ${minute(usage.to)}\n`,
    ...narrowing.services.map(renderService),
  ]
  if (ours !== undefined) parts.push(`BFF team: ${ours.shown}\n${ours.diff}`)
  if (theirs !== undefined) {
    const items = narrowing.mappings.items.map(renderItem).join('')
    parts.push(
      `IdP team: ${theirs.shown}, as advice; --write leaves it as it is\n${items}${theirs.diff}`,
    )
  }
  const undecided = narrowing.services.some(({ state }) => state === 'undecided')
  parts.push(lastLine(ours, written, undecided))
  return parts.join('\n')
}

function lastLine(ours: Change | undefined, written: boolean, undecided: boolean): string {
  if (ours === undefined) {
    return undecided ? 'Nothing to narrow, as far as it is decided.\n' : 'Nothing to narrow.\n'
  }
  return written
    ? `Written: ${ours.shown}. Tokens are minted anew at the next call; nobody needs to sign in again.\n`
    : 'Narrower is possible; --write applies it.\n'
}

function renderService(service: NarrowedService): string {
  const { state, present, needed, proposed, reasons, calls, refused } = service
  const lines = [`${service.service}  ${service.audience}`]
  const line = (head: string, text: string) => lines.push(`  ${head.padEnd(15)}${text}`)
  line('asked for', present.join(' ') || 'nothing')
  if (calls.length > 0) line('needed', needed.join(' ') || 'nothing')
  line('verdict', VERDICTS[state])
  for (const reason of reasons) line('', reason)
  if (proposed !== undefined) {
    line(state === 'narrower' ? 'narrower' : 'would serve', proposed.join(' '))
    line('would fail', failures(service))
  }
  if (refused.length > 0) line('refused', `${total(refused)} now, and then as well`)
  if (calls.length === 0) return `${lines.join('\n')}\n`
  const table = renderTable(
    ['calls', 'route', 'method', 'needed', 'carried', 'last'],
    calls.map((row) =>
      [
        String(row.requests),
        row.route_id ?? '',
        row.method,
        `${row.required_scope === null ? '(not reported)' : row.required_scope || '(none)'}${row.refused ? ' (refused)' : ''}`,
        row.token_scopes,
        minute(row.last_at),
      ].map(printable),
    ),
  )
  return `${lines.join('\n')}\n\n${table.replace(/^(?=.)/gm, '  ')}`
}

/** Events may come from anybody who can write them: no command for the terminal is among their texts. */
const printable = (text: string) => text.replace(/\p{Cc}/gu, '?')

const VERDICTS: Record<NarrowedService['state'], string> = {
  narrower: 'fewer scopes serve every call',
  least: 'nothing to narrow',
  undecided: 'undecided',
  unused: 'not called',
}

function failures({ would_fail: rows }: NarrowedService): string {
  if (rows.length === 0) return 'none'
  const each = rows.map(
    (row) =>
      `${row.requests} ${printable(`${row.method} ${row.route_id ?? '(no route)'}`)}${sample(row)}`,
  )
  return `perhaps ${each.join(', ')}`
}

const sample = ({ sample_correlation_id: id }: ScopeUsageRow) =>
  id === null ? '' : ` (bridge explain ${printable(id)})`

function renderItem({ kind, scope, value, why }: MappingItem): string {
  const what = kind === 'audience' ? 'leads to' : 'implies'
  return `  ${scope} ${what} ${value}: ${why}\n`
}

function total(rows: readonly ScopeUsageRow[]): string {
  const requests = rows.reduce((sum, row) => sum + row.requests, 0)
  return requests === 1 ? '1 call' : `${requests} calls`
}

const minute = (time: string) => `${time.slice(0, 16).replace('T', ' ')}Z`
