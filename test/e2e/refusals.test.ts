import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  copyConfig,
  type Edits,
  inOrder,
  replace,
  temporaryDirectory,
} from '@audience-bridge/testkit/config-copy.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { launch } from '@audience-bridge/testkit/system.ts'
import { processesOf } from './processes.ts'

interface Start {
  data: string
  config: string
  portBase: number
}

/** Starts what cannot start; gives the lines of its message. */
async function refusal(t: TestContext, start: Partial<Start>): Promise<string[]> {
  const data = start.data ?? temporaryDirectory(t)
  const portBase = start.portBase ?? (await freePorts(4))
  const { exited, output, readyFile } = launch(t, [
    ...['--data', data, '--port-base', String(portBase)],
    ...['--config', start.config ?? copyConfig(t)],
  ])
  assert.equal(await exited, 1, output())
  assert.ok(!existsSync(readyFile))
  assert.deepEqual(processesOf(data), [])
  return output().trim().split('\n')
}

function occupy(t: TestContext, port: number): Promise<Server> {
  const server = createServer()
  t.after(() => server.close())
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
}

test('one clear message and exit code 1', async (t) => {
  await t.test('for ports that are taken, all of them', async (t) => {
    const portBase = await freePorts(4)
    await occupy(t, portBase)
    await occupy(t, portBase + 2)
    assert.deepEqual(await refusal(t, { portBase }), [
      `bridge up: taken: port ${portBase} (bff), ${portBase + 2} (analytics); stop what listens there or choose others with --port-base N`,
    ])
  })

  await t.test('for a data directory that is a file', async (t) => {
    const data = join(temporaryDirectory(t), 'data')
    writeFileSync(data, '')
    assert.deepEqual(await refusal(t, { data }), [
      `bridge up: cannot write to the data directory ${data} (EEXIST); choose another with --data DIR`,
    ])
  })

  await t.test('for a data directory that cannot be made', async (t) => {
    const file = join(temporaryDirectory(t), 'file')
    writeFileSync(file, '')
    assert.deepEqual(await refusal(t, { data: `${file}/data` }), [
      `bridge up: cannot write to the data directory ${file}/data (ENOTDIR); choose another with --data DIR`,
    ])
  })

  await t.test('for a missing configuration', async (t) => {
    const config = join(temporaryDirectory(t), 'none')
    assert.deepEqual(await refusal(t, { config }), [
      `bridge up: cannot read ${config}/BFF/config/routes.yaml (ENOENT); --config names the directory that holds BFF/config and its siblings`,
    ])
  })

  await t.test('for broken files: every fault of every file, at its line', async (t) => {
    const edits: Edits = {
      'BFF/config/settings.yaml': inOrder(
        replace('  client_id: bff-server\n', '  client_idd: bff-server\n'),
        replace('idle_seconds: 1800', 'idle_seconds: soon'),
      ),
      'BFF/config/routes.yaml': replace(
        '    auth: session\n',
        '    auth: session\n    authz: pdp\n',
      ),
      'IdP/config/settings.yaml': replace(
        'access_token_seconds: 600',
        'access_token_seconds: [600]',
      ),
      'IdP/config/clients.yaml': replace('  first_party: true\n', '  first_party: perhaps\n'),
      'Analytics/config/settings.yaml': replace(
        'reader_roles: [admin, analyst]',
        'reader_roles: {',
      ),
      'CRUD/config/settings.yaml': replace('store:\n', 'shop:\n'),
    }
    const config = copyConfig(t, edits)
    const [first, ...faults] = await refusal(t, { config })
    assert.equal(first, 'bridge up: the configuration is malformed:')
    for (const [file, key] of [
      ['BFF/config/settings.yaml', 'client_idd'],
      ['BFF/config/settings.yaml', 'client_id'],
      ['BFF/config/settings.yaml', 'idle_seconds'],
      ['BFF/config/routes.yaml', 'authz'],
      ['IdP/config/settings.yaml', 'access_token_seconds'],
      ['IdP/config/clients.yaml', 'first_party'],
      ['Analytics/config/settings.yaml', ''],
      ['CRUD/config/settings.yaml', 'shop'],
    ] as const) {
      const place = `${join(config, file)}:`
      assert.ok(
        faults.some((line) => line.startsWith(place) && line.includes(key)),
        `${file} ${key} in:\n${faults.join('\n')}`,
      )
    }
    for (const line of faults) assert.match(line, /^\S+\.yaml:\d+:\d+: .+ \[[a-z_]+\]$/)
  })

  for (const base of ['65533', 'x']) {
    await t.test(`for --port-base=${base}`, async (t) => {
      const data = temporaryDirectory(t)
      const { exited, output } = launch(t, ['--data', data, `--port-base=${base}`])
      assert.equal(await exited, 1)
      assert.equal(output(), `bridge up: --port-base "${base}": give a number from 1 to 65532\n`)
    })
  }
})
