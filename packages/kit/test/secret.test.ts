import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { ensureSecretFile, readSecret } from '../src/secret.ts'

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'audience-bridge-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const modeOf = (path: string) => statSync(path).mode & 0o777

test('a value is the secret itself, or the file that holds it', (t) => {
  const path = join(directory(t), 'a.secret')
  const cases: [text: string, secret: string][] = [
    ['s3cret', 's3cret'],
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    [' s3cret \n\n', ' s3cret \n'],
  ]
  for (const [text, secret] of cases) {
    writeFileSync(path, text)
    assert.equal(readSecret(`file:${path}`), secret)
  }
  assert.equal(readSecret('s3cret'), 's3cret')
  assert.equal(readSecret('a file:x'), 'a file:x')
  writeFileSync(path, 'here')
  assert.equal(readSecret(`file:${relative(process.cwd(), path)}`), 'here')
})

test('a secret file that is missing or empty is named', (t) => {
  const path = join(directory(t), 'a.secret')
  assert.throws(() => readSecret(`file:${path}`), {
    message: `cannot read the secret file ${path}`,
  })
  for (const empty of ['', '\n']) {
    writeFileSync(path, empty)
    assert.throws(() => readSecret(`file:${path}`), {
      message: `the secret file ${path} is empty`,
    })
  }
})

test('a secret is made once, 32 random bytes that only the owner reads', (t) => {
  const path = join(directory(t), 'deep/secrets/a.secret')
  const secret = ensureSecretFile(path)
  assert.match(secret, /^[A-Za-z0-9_-]{43}$/)
  assert.equal(modeOf(path), 0o600)
  assert.equal(modeOf(join(path, '..')), 0o700)
  assert.equal(ensureSecretFile(path), secret)
  assert.notEqual(ensureSecretFile(`${path}2`), secret)
})

test('a secret that others may read is closed to them', (t) => {
  const path = join(directory(t), 'a.secret')
  writeFileSync(path, 'mine\n')
  chmodSync(path, 0o644)
  assert.equal(ensureSecretFile(path), 'mine')
  assert.equal(modeOf(path), 0o600)
})

test('makers that start at once agree on one secret', async (t) => {
  const path = join(directory(t), 'a.secret')
  const script = `
    import { ensureSecretFile } from ${JSON.stringify(new URL('../src/secret.ts', import.meta.url).href)}
    process.stdout.write(ensureSecretFile(${JSON.stringify(path)}))`
  const made = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        '--input-type=module',
        '--eval',
        script,
      ])
      return stdout
    }),
  )
  assert.deepEqual(new Set(made), new Set([readFileSync(path, 'utf8').trimEnd()]))
})

test('a secret that cannot be written is an error of its own', (t) => {
  const blocked = join(directory(t), 'file')
  writeFileSync(blocked, '')
  assert.throws(() => ensureSecretFile(join(blocked, 'a.secret')), { code: /ENOTDIR|EEXIST/ })
  const folder = join(directory(t), 'a.secret')
  mkdirSync(folder)
  assert.throws(() => ensureSecretFile(folder))
})
