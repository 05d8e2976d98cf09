import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { PROBLEMS } from '@audience-bridge/contracts/problem.ts'
import { bundle } from './bundle.ts'
import { problem, startStandIn } from './stand-in.ts'

const run = promisify(execFile)
const PACKAGE = join(import.meta.dirname, '..')
const MODULES = join(PACKAGE, '../../node_modules')
const MAX_BYTES = 5120

test('the codes are those of the contracts', () => {
  const text = readFileSync(join(PACKAGE, 'src/code.ts'), 'utf8')
  const union = /export type ProblemCode =([\s\S]*?)\n\n/.exec(text)?.[1] ?? ''
  const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code)
  assert.deepEqual(codes.sort(), Object.keys(PROBLEMS).sort())
})

test('a page loads less than 5 KB for it, and nothing else', async () => {
  const bytes = gzipSync(await bundle(), { level: 9 }).length
  assert.ok(bytes < MAX_BYTES, `${bytes} bytes`)
  const manifest = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
  assert.equal(manifest.private, undefined)
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies']) {
    assert.equal(manifest[kind], undefined)
  }
})

/** A project that has installed what `npm publish` would publish. */
async function installPacked(t: TestContext): Promise<string> {
  const project = mkdtempSync(join(tmpdir(), 'spa-client-'))
  t.after(() => rmSync(project, { recursive: true, force: true }))
  const pack = ['pack', '--silent', '--offline', '--pack-destination', project]
  const { stdout } = await run('npm', pack, { cwd: PACKAGE })
  const installed = join(project, 'node_modules/@audience-bridge/spa-client')
  mkdirSync(installed, { recursive: true })
  const tarball = join(project, stdout.trim().split('\n').at(-1) ?? '')
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
  return project
}

test('what is published', async (t) => {
  const project = await installPacked(t)

  await t.test('runs as it is in plain Node', async (t) => {
    const bff = await startStandIn(t, () => problem('ACCESS_DENIED', 403))
    writeFileSync(
      join(project, 'run.js'),
      `import { ApiError, createClient } from '@audience-bridge/spa-client'
const client = createClient({ host: { location: { href: '${bff.origin}/' } } })
const error = await client.fetch('/api/v1/x').catch((error) => error)
client.close()
console.log(error instanceof ApiError, error.code)`,
    )
    const { stdout } = await run(process.execPath, ['--no-strip-types', 'run.js'], {
      cwd: project,
      timeout: 20_000,
    })
    assert.equal(stdout, 'true ACCESS_DENIED\n')
  })

  await t.test('has types for a strict project, however it resolves', async () => {
    writeFileSync(
      join(project, 'use.ts'),
      `import { ApiError, type Client, createClient, type ErrorCode, type Session } from '@audience-bridge/spa-client'
const client: Client = createClient({ baseUrl: '/api', onSessionLost: ({ code }) => code !== 'SESSION_EXPIRED' })
export const session: Session = await client.session()
export const name: string | undefined = session.authenticated ? session.user.name : undefined
export const codeOf = (error: unknown): ErrorCode | undefined => error instanceof ApiError ? error.code : undefined
// @ts-expect-error a client has no tokens
client.token`,
    )
    symlinkSync(join(MODULES, 'typescript'), join(project, 'node_modules/typescript'))
    for (const how of [{ module: 'nodenext' }, { module: 'esnext', moduleResolution: 'bundler' }]) {
      const compilerOptions = {
        ...how,
        target: 'es2022',
        lib: ['es2022', 'dom', 'dom.iterable'],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: [],
      }
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['use.ts'] }),
      )
      const tsc = join(MODULES, 'typescript/bin/tsc')
      const checked = await run(process.execPath, [tsc, '-p', project]).catch((error) => error)
      assert.equal(checked.stdout, '')
    }
  })
})
