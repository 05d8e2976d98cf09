import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'

/* A minute of `npm run bench -- soak --minutes 60`, at a pace that leaves the machine to other tests. */
test('a minute of everything: no error without an explanation, and nothing grows', async (t) => {
  const child = spawn(process.execPath, [join(ROOT, 'bench/soak.ts'), '--seconds', '60'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [said, complained, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  assert.equal(code, 0, said + complained)
  const { counts } = JSON.parse(said) as { counts: Record<string, number> }
  for (const what of [
    'read',
    'download',
    'upload',
    'chunked upload',
    'stream',
    'socket',
    'visit',
  ]) {
    assert.ok((counts[what] ?? 0) > 10, `${what} was hardly tried: ${said}`)
  }
  assert.ok((counts.reloads ?? 0) > 5 && (counts['restarts of the backend'] ?? 0) > 2, said)
  t.diagnostic(JSON.stringify(counts))
})
