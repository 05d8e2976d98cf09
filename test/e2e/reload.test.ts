import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { editConfig, replace } from '@audience-bridge/testkit/config-copy.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { ask, type FaultWorld, startFaultWorld } from './fault-world.ts'

const RELOADS = 100
const CLIENTS = 4

test('100 reloads of the BFF under constant load lose no request', async (t) => {
  const world = await startFaultWorld(t)
  let done = false
  let sent = 0
  const lost: string[] = []
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!done) {
      const response = await world.visitor
        .fetch('/api/echo/ok')
        .catch((cause: unknown) => String(cause))
      sent++
      if (typeof response === 'string') lost.push(response)
      else {
        const body = await response.text()
        if (response.status !== 200) lost.push(`${response.status} ${body}`)
      }
    }
  })
  try {
    for (let i = 0; i < RELOADS; i++) {
      const before = await versionOf(world)
      editConfig(world.system.config, { 'BFF/config/settings.yaml': (text) => nextSeconds(text) })
      await until('the reload', async () => (await versionOf(world)) !== before, 5_000)
    }
  } finally {
    done = true
    await Promise.all(clients)
  }
  assert.deepEqual(lost, [])
  assert.ok(sent > RELOADS, `${sent} requests were sent meanwhile`)
  t.diagnostic(`${sent} requests during ${RELOADS} reloads`)
})

test('a change takes effect whole, a malformed one not at all, without sign-out', async (t) => {
  const world = await startFaultWorld(t)
  assert.equal((await ask(world)).status, 200)

  await t.test('a service added now works for a session of before', async () => {
    editConfig(world.system.config, {
      'BFF/config/routes.yaml': (text) =>
        `${text.replace('services:\n', 'services:\n  later_service:\n    base_url: ${ECHO_URL}\n')}\n  - id: api-later\n    path: /api/later/*\n    target_service: later_service\n    auth: session\n`,
      'BFF/config/settings.yaml': (text) =>
        text
          .replace(
            'service_audiences:\n',
            'service_audiences:\n  later_service: https://later.example\n',
          )
          .replace('service_scopes:\n', 'service_scopes:\n  later_service: later.read\n'),
      'IdP/config/settings.yaml': (text) =>
        text
          .replace('implies: [', 'implies: [later.read, ')
          .replace(
            '      - scope: api.read\n',
            '      - scope: later.read\n        audiences: [https://later.example]\n      - scope: api.read\n',
          ),
      'IdP/config/clients.yaml': replace(
        '  allowed_audiences:\n',
        '  allowed_audiences:\n    - https://later.example\n',
      ),
    })
    await until('200', async () => (await ask(world, '/api/later/x')).status === 200, 5_000)
    assert.equal(world.echo.arrivals.at(-1)?.claims?.aud, 'https://later.example')
  })

  await t.test('a malformed file changes nothing and is reported', async () => {
    const before = await configOf(world)
    editConfig(world.system.config, { 'BFF/config/routes.yaml': (text) => `${text}\n  - {` })
    await until('the refusal', async () => (await configOf(world)).refused)
    const { version, faults } = await configOf(world)
    assert.equal(version, before.version)
    assert.match(faults.join('\n'), /routes\.yaml:\d+:\d+/)
    assert.equal((await ask(world)).status, 200)
    await until('the log line', () => world.system.log('bff').includes('config refused'))
  })

  await t.test('SIGHUP reads the files too', async () => {
    editConfig(world.system.config, {
      'BFF/config/routes.yaml': (text) => text.replace('\n  - {', ''),
    })
    process.kill(world.system.pids.bff, 'SIGHUP')
    await until('the reload', async () => !(await configOf(world)).refused)
  })
})

function nextSeconds(text: string): string {
  return text.replace(
    /absolute_seconds: (\d+)/,
    (_, seconds) => `absolute_seconds: ${Number(seconds) + 1}`,
  )
}

async function configOf({ system, adminToken }: FaultWorld) {
  const response = await fetch(`${system.bff}/admin/config`, {
    headers: { authorization: `Bearer ${readFileSync(adminToken, 'utf8').trim()}` },
  })
  return (await response.json()) as { version: string; refused: boolean; faults: string[] }
}

const versionOf = async (world: FaultWorld) => (await configOf(world)).version
