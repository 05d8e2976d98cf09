import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { PROBLEMS } from '@audience-bridge/contracts/problem.ts'
import { filesOf, manifestOf, read, workspaceOf } from './conventions/files.ts'
import { offences } from './conventions/law.ts'
import { type Import, parse } from './conventions/source.ts'

const CODE = filesOf('{apps,packages}/*/{src,test}/**/*.{ts,tsx}').concat(
  filesOf('apps/console/vite.config.ts'),
  filesOf('{test,bench}/**/*.ts'),
)
const SOURCES = new Map(CODE.map((file) => [file, parse(file, read(file))]))

/** Everything that people write here: not the lock file, not pictures. */
const TEXTS = filesOf(
  '{*.{md,json,ts},{apps,packages,test,bench,scripts,docs,ServiceConfigs}/**/*.{ts,tsx,mjs,js,json,css,html,svg,sql,yaml,yml,md}}',
).concat(filesOf('.ci/*'), filesOf('.{npmrc,gitignore}'))

test('the import law holds', () => {
  assert.ok(CODE.length > 150, 'the files were found')
  assert.deepEqual(
    [...SOURCES].flatMap(([file, source]) => offences(file, source)),
    [],
  )
})

test('the import law catches', async (t) => {
  const planted: [what: string, file: string, code: string][] = [
    [
      'an app that imports an app',
      'apps/bff/src/x.ts',
      "import { b } from '@audience-bridge/idp/server.ts'",
    ],
    [
      'an app that reaches another by its path',
      'apps/bff/src/tokens/x.ts',
      "import { k } from '../../../idp/src/keys.ts'",
    ],
    [
      'a type of another app',
      'apps/bff/src/config.ts',
      "import type { K } from '@audience-bridge/idp/keys.ts'",
    ],
    [
      'a domain that imports a route',
      'apps/bff/src/session/x.ts',
      "import { p } from '../routes/page.ts'",
    ],
    [
      'a domain that knows the proxy as a type',
      'apps/bff/src/tokens/x.ts',
      "import type { E } from '../proxy/pipeline.ts'",
    ],
    [
      'a domain that imports its neighbour',
      'apps/bff/src/session/x.ts',
      "import { i } from '../tokens/idp.ts'",
    ],
    [
      'a re-export of the neighbour',
      'apps/bff/src/session/x.ts',
      "export { i } from '../tokens/idp.ts'",
    ],
    ['an import at run time', 'apps/bff/src/session/x.ts', "await import('../tokens/idp.ts')"],
    ['an import of whatever it is', 'apps/bff/src/session/x.ts', 'await import(name)'],
    ['a server that imports main', 'apps/bff/src/server.ts', "import './main.ts'"],
    [
      'a file that imports the server beside it',
      'apps/bff/src/config.ts',
      "import { s } from './server.ts'",
    ],
    [
      'a query that imports an anomaly',
      'apps/analytics/src/queries/x.ts',
      "import { s } from '../anomalies/score.ts'",
    ],
    [
      'kit with product words',
      'packages/kit/src/log.ts',
      "import { s } from '@audience-bridge/contracts/session.ts'",
    ],
    [
      'a backend’s verifier that needs ours',
      'packages/resource-server/src/x.ts',
      "import { l } from '@audience-bridge/kit/log.ts'",
    ],
    [
      'the testkit in an app',
      'apps/bff/src/main.ts',
      "import { e } from '@audience-bridge/testkit/echo.ts'",
    ],
    [
      'a test that uses another app',
      'apps/crud/test/x.test.ts',
      "import { s } from '@audience-bridge/bff/server.ts'",
    ],
    [
      'oidc-provider outside the provider',
      'apps/idp/src/exchange.ts',
      "import Provider from 'oidc-provider'",
    ],
    [
      'chdb outside its engine',
      'apps/analytics/src/queries/x.ts',
      "import { c } from 'chdb/connection'",
    ],
    ['undici outside the proxy', 'apps/bff/src/tokens/idp.ts', "import { request } from 'undici'"],
    ['a socket in a session', 'apps/bff/src/session/x.ts', "import { connect } from 'node:net'"],
    [
      'a socket beside a harmless name',
      'apps/bff/src/config.ts',
      "import { BlockList, connect } from 'node:net'",
    ],
    [
      'a module of Node without its prefix',
      'apps/bff/src/session/x.ts',
      "import { request } from 'http'",
    ],
    ['fetch in the BFF', 'apps/bff/src/tokens/idp.ts', "await fetch('http://x')"],
    ['the environment in a domain', 'apps/bff/src/config.ts', 'export const x = process.env.X'],
    ['the process as a module', 'apps/bff/src/config.ts', "import { env } from 'node:process'"],
    ['a folder without a row', 'apps/bff/src/new/x.ts', 'export {}'],
  ]
  for (const [what, file, code] of planted) {
    await t.test(what, () => assert.equal(offences(file, parse(file, code)).length, 1))
  }
  const good: [what: string, file: string, code: string][] = [
    [
      'a type of a neighbour',
      'apps/bff/src/session/x.ts',
      "import type { I } from '../tokens/idp.ts'",
    ],
    [
      'a type of a server module',
      'apps/idp/src/site.ts',
      "import type { IncomingMessage } from 'node:http'",
    ],
    ['a list of addresses', 'apps/bff/src/config.ts', "import { BlockList } from 'node:net'"],
    ['a property named like a global', 'apps/bff/src/config.ts', 'x.process.env; x.fetch()'],
  ]
  for (const [what, file, code] of good) {
    await t.test(`and not ${what}`, () => assert.deepEqual(offences(file, parse(file, code)), []))
  }
})

test('every package that a file imports is declared where it is imported', () => {
  const missing = new Set<string>()
  for (const [file, { imports }] of SOURCES) {
    const workspace = workspaceOf(file)
    const { dependencies = {}, devDependencies = {} } = manifestOf(workspace)
    const isTest = workspace === '.' || !file.startsWith(`${workspace}/src/`)
    // The bundler puts what the console needs into its build.
    const declared =
      isTest || workspace === 'apps/console'
        ? { ...dependencies, ...devDependencies }
        : dependencies
    for (const name of imports.flatMap((it) => it.package ?? [])) {
      // The root's tests see every workspace: npm links them all.
      if (workspace === '.' && name.startsWith('@audience-bridge/')) continue
      if (declared[name] === undefined) missing.add(`${workspace}/package.json: ${name}`)
    }
  }
  assert.deepEqual([...missing].sort(), [])
})

test('every package that is declared is used', () => {
  const unused = filesOf('{apps,packages}/*/package.json').flatMap((path) => {
    const workspace = workspaceOf(path)
    const used = new Set(
      CODE.filter((file) => workspaceOf(file) === workspace).flatMap((file) => packagesOf(file)),
    )
    const { dependencies = {}, devDependencies = {} } = manifestOf(workspace)
    return Object.keys({ ...dependencies, ...devDependencies })
      .filter((name) => !used.has(name.replace(/^@types\//, '')))
      .map((name) => `${path}: ${name}`)
  })
  assert.deepEqual(unused, [])
})

const packagesOf = (file: string) =>
  (SOURCES.get(file)?.imports ?? []).flatMap((it: Import) => it.package ?? [])

test('files have names of one kind, and folders too', () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/
  const written = TEXTS.filter((file) => /^(apps|packages|test|bench|scripts|docs)\//.test(file))
  assert.deepEqual(
    written.filter(
      (file) =>
        !file.startsWith('docs/errors/') &&
        !file.split('/').every((part) => kebab.test(part) || part === 'README.md'),
    ),
    [],
  )
})

test('no file is longer than 500 lines', () => {
  const code = TEXTS.filter((file) => /\.(ts|tsx|mjs|css|sql)$/.test(file))
  assert.deepEqual(
    code.filter((file) => read(file).split('\n').length > 501),
    [],
  )
})

test('exports have names, and no file only passes on those of others', () => {
  assert.deepEqual(
    CODE.filter((file) => SOURCES.get(file)?.exportsDefault && !file.endsWith('vite.config.ts')),
    [],
  )
  assert.deepEqual(
    CODE.filter((file) => /^(index|utils|common)\.tsx?$/.test(basename(file))),
    [],
  )
})

test('no text holds', async (t) => {
  // Written so that this file does not find itself.
  const words: [what: string, pattern: RegExp][] = [
    ['work left for later', /\b(TO[D]O|FIX[M]E|XX[X])\b/],
    ['a place of one machine', /[.]library\b|(?<![\w.])[/]work[/]|[/]home[/]\w/],
    ['a test that runs alone', /\b(test|it|describe)[.]only\(|\bonly[:] true\b/],
    ['a check that is switched off', /@ts-(ignor[e]|nochec[k])|eslint[-]disable/],
  ]
  for (const [what, pattern] of words) {
    await t.test(what, () => {
      const found = TEXTS.flatMap((file) =>
        read(file)
          .split('\n')
          .flatMap((line, index) =>
            pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [],
          ),
      )
      assert.deepEqual(found, [])
    })
  }
})

test('every problem code has its page, and every page its code', () => {
  const pages = filesOf('docs/errors/*.md').map((file) => basename(file, '.md'))
  assert.deepEqual(pages.filter((name) => name !== 'README').sort(), Object.keys(PROBLEMS).sort())
})
