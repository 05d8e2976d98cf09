import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'
import type { FaultWorld } from './fault-world.ts'

const PAGES = join(ROOT, 'docs/admin')

/** One fault as the page shows it. */
export interface FaultSection {
  name: string
  /** What `bridge explain` printed, or `bridge verify` where the files are refused. */
  command: 'explain' | 'verify'
  printed: string
  /** By what the test healed it. */
  healed: string
}

/** What differs from run to run, written as in the shipped files. */
export function settle({ system, echo }: FaultWorld, text: string): string {
  const port = system.portBase
  return text
    .replaceAll(system.config, 'ServiceConfigs')
    .replaceAll(system.data, '.data')
    .replaceAll(echo.origin, 'http://127.0.0.1:9000')
    .replaceAll(`localhost:${port + 1}`, 'localhost:8002')
    .replaceAll(`localhost:${port}`, 'localhost:8080')
    .replace(/127\.0\.0\.1:\d{4,5}/g, '127.0.0.1:9000')
    .replace(
      /\b(fault|verify)-[0-9a-f-]{36}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g,
      'CORRELATION-ID',
    )
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2026-11-24T09:30:00.000Z')
    .replace(/\b\d+ s (old|ago)/g, '12 s $1')
    .replace(
      /token: (?:kept|minted), (.*?)(?:, minted 12 s ago)?$/gm,
      'token: kept, $1, minted 12 s ago',
    )
    .replace(/version [0-9a-f]{12}/g, 'version 0123456789ab')
    .replace(/(clock is) \d+ s/g, '$1 600 s')
    .trimEnd()
}

/** Compares a page with what was printed just now; `UPDATE_DOCS=1` writes it anew. */
function compare(name: string, page: string): void {
  const path = join(PAGES, name)
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, page)
  else assert.equal(readFileSync(path, 'utf8'), page, `${name}: run this test with UPDATE_DOCS=1`)
}

export function compareVerify(healthy: string, broken: string): void {
  compare(
    'verify.md',
    `# Does every route work for a user?

\`bridge verify\` signs in as a person would, through the real pages, calls every route of the running BFF
that can be called safely (GET on the \`probe\` paths of routes.yaml, or on the route's own path), and asks
the BFF what it saw:

\`\`\`console
$ npx bridge verify --user ben --password-file ben.password
\`\`\`

\`--cookie-file F\` takes the Cookie header of a session instead. The administrators' API opens with the
token of \`admin.token\` (\`--token-file F\`, by default where settings.yaml says), or with the session of an
administrator. It also reads what each backend says of itself (RFC 9728) and compares it with the map.
Exit codes: 0 every route that was tried works, 1 faults were found, 2 could not run.

When all is well:

\`\`\`text
${healthy}
\`\`\`

When the audience of a service differs by a slash:

\`\`\`text
${broken}
\`\`\`

\`bridge explain CORRELATION-ID\` shows the whole chain of one of these requests: [every fault, by
name](faults.md).
`,
  )
}

export function compareFaults(sections: readonly FaultSection[]): void {
  const body = sections.map(
    ({ name, command, printed, healed }) =>
      `## ${name.charAt(0).toUpperCase()}${name.slice(1)}\n\n\`bridge ${command}\` prints:\n\n\`\`\`text\n${printed}\n\`\`\`\n\nHealed by ${healed}.\n`,
  )
  const page = `# Every fault, by name

What \`bridge explain CORRELATION-ID\` prints when this breaks, with the place and the mend. Each of these
was broken in a running system and healed without a restart and without a sign-out; the same test wrote
this page. The service is called \`echo_service\` here. Faults that the files show are named by
\`bridge check\` before anybody meets them: [check](check.md).

${body.join('\n')}`
  compare('faults.md', page)
}
