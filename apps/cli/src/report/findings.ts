import type { Finding } from '@audience-bridge/chain/check.ts'
import type { Paint } from './paint.ts'

/** Findings for people: by file, each with its place, what it stops, and the mend. */
export function renderFindings(findings: readonly Finding[], paint: Paint): string {
  const byFile = Map.groupBy(findings, ({ at }) => at?.file ?? 'elsewhere')
  const parts = [...byFile].map(([file, here]) =>
    [paint.bold(file), ...here.map((finding) => renderFinding(finding, paint))].join('\n'),
  )
  return parts.map((part) => `${part}\n`).join('\n')
}

function renderFinding(finding: Finding, paint: Paint): string {
  const { kind, code, at, key, link, routes, found, expected, mend, patch } = finding
  const place = at === undefined ? '' : `${at.line}:${at.column}`
  const stops =
    kind === 'malformed' ? 'refuses the file' : kind === 'unsafe' ? 'unsafe' : stopped(routes)
  const what = key ?? (link === undefined ? '' : `link ${link}`)
  const apply = patch === undefined ? '' : paint.faint(`  (bridge mend ${code} --write)`)
  return [
    `  ${place.padEnd(7)} ${paint.red(code)}${what === '' ? '' : `  ${what}`}  ${paint.faint(stops)}`,
    `          found    ${found}`,
    `          expected ${expected}`,
    `          mend     ${mend}${apply}`,
  ].join('\n')
}

function stopped(routes: readonly string[]): string {
  const shown = routes.slice(0, 3).join(', ')
  return routes.length > 3 ? `stops ${shown} and ${routes.length - 3} more` : `stops ${shown}`
}

/** The closing line. */
export function summarize(findings: readonly Finding[]): string {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`
  const malformed = findings.filter(({ kind }) => kind === 'malformed').length
  const unsafe = findings.filter(({ kind }) => kind === 'unsafe').length
  const broken = findings.length - malformed - unsafe
  const parts = [
    ...(malformed > 0 ? [count(malformed, 'fault')] : []),
    ...(broken > 0 ? [count(broken, 'broken link')] : []),
    ...(unsafe > 0 ? [count(unsafe, 'risk')] : []),
  ]
  const mendable = findings.filter(({ patch }) => patch !== undefined).length
  const how =
    mendable === 0
      ? 'none has a mend that can be applied as it is'
      : `bridge mend --all shows the change that mends ${mendable === findings.length ? (mendable === 1 ? 'it' : 'them') : `${mendable} of them`}`
  return `${parts.join(' and ')}; ${how}.`
}
