import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { FINDING_CODES } from '@audience-bridge/chain/finding-codes.ts'
import {
  copyConfig,
  type Edits,
  editConfig,
  inOrder,
  ROOT,
  replace,
} from '@audience-bridge/testkit/config-copy.ts'

/*
 * What the pages below docs/admin show of the tool is what it prints: every block of a command is run
 * on a copy of the shipped configuration and compared. `UPDATE_DOCS=1` writes the pages anew.
 */

interface Page {
  file: string
  /** The copy is a repository, whose `main` is the shipped configuration. */
  repository?: boolean
  /** Edits before the blocks of these numbers, and what is committed with them. */
  before: Record<number, Edits>
}

const WIDER: Edits = {
  'IdP/config/settings.yaml': replace('implies: [api.read', 'implies: [admin.api, api.read'),
  'BFF/config/routes.yaml': replace('[GET, POST, PUT, PATCH, DELETE]', '[GET, POST]'),
}

/** What a page shows of a file of the BFF. */
function shownIn(page: string, file: string): string {
  const text = readFileSync(join(ROOT, 'docs/admin', page), 'utf8')
  const start = `\`\`\`yaml\n# BFF/config/${file}\n`
  return text.slice(text.indexOf(start) + start.length).split('```', 1)[0] ?? ''
}

const PAGES: Page[] = [
  {
    file: 'check.md',
    before: {
      1: {
        'BFF/config/settings.yaml': replace(
          'analytics_service: https://analytics.ocg.labs.empowernow.ai',
          'analytics_service: https://analytics.ocg.labs.empowernow.ai/',
        ),
        'IdP/config/clients.yaml': inOrder(
          replace('first_party', 'frist_party'),
          replace('}/auth/callback', '}/callback'),
        ),
      },
    },
  },
  { file: 'add-service.md', before: {} },
  {
    file: 'frontends-and-idps.md',
    before: {
      0: {
        'BFF/config/settings.yaml': (text) =>
          text + shownIn('frontends-and-idps.md', 'settings.yaml'),
        'BFF/config/idps.yaml': () => shownIn('frontends-and-idps.md', 'idps.yaml'),
      },
    },
  },
  { file: 'diff.md', repository: true, before: { 0: WIDER } },
]

test('the pages show what the tool prints', async (t) => {
  for (const page of PAGES) {
    await t.test(page.file, (t) => {
      const directory = dirname(copyConfig(t))
      if (page.repository) git(directory, 'init', '-q', '-b', 'main')
      if (page.repository) commit(directory, 'the shipped configuration')
      const path = join(ROOT, 'docs/admin', page.file)
      const text = readFileSync(path, 'utf8')
      let block = -1
      const shown = text
        .replace(/(```console\n\$ )(npx bridge [^\n]+\n)[\s\S]*?```/g, (_, open, command) => {
          block++
          const edits = page.before[block]
          if (edits !== undefined) editConfig(join(directory, 'ServiceConfigs'), edits)
          if (edits !== undefined && page.repository) {
            git(directory, 'switch', '-q', '-c', `change-${block}`)
            commit(directory, 'a change')
          }
          return `${open}${command}${run(directory, command)}\`\`\``
        })
        .replace(/(<!-- generated .*-->\n)[\s\S]*?(<!-- end -->)/, `$1${codeTable()}$2`)
      assert.ok(block >= 0, 'the blocks were found')
      if (process.env.UPDATE_DOCS === '1') writeFileSync(path, shown)
      else assert.equal(text, shown, `stale: run this test with UPDATE_DOCS=1`)
    })
  }
})

/** What a person sees: output, and what went wrong. */
function run(directory: string, command: string): string {
  const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare)
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'apps/cli/src/main.ts'), ...args.slice(2).map(String)],
    { cwd: directory, encoding: 'utf8', timeout: 60_000, env: { PATH: process.env.PATH ?? '' } },
  )
  assert.equal(stderr, '')
  return `${stdout.trimEnd()}\n`
}

function codeTable(): string {
  const rows = Object.entries(FINDING_CODES).map(([code, words]) => `| \`${code}\` | ${words} |`)
  return `\n| Code | Meaning |\n|---|---|\n${rows.join('\n')}\n\n`
}

function git(directory: string, ...args: string[]): void {
  const { status, stderr } = spawnSync('git', args, { cwd: directory, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

function commit(directory: string, message: string): void {
  git(directory, 'add', '.')
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'commit.gpgsign=false']
  git(directory, ...who, 'commit', '-q', '-m', message)
}
