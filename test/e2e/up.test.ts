import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { copyConfig, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { type Ready, startSystem } from '@audience-bridge/testkit/system.ts'
import { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { isAlive, processesOf, runCommand } from './processes.ts'

const METRICS = '/api/v1/analytics/authorization-metrics'

test('a system lives through restarts and a crash with all that it knew', async (t) => {
  const data = temporaryDirectory(t)
  const config = copyConfig(t)
  const portBase = await freePorts(4)
  const start = async () => {
    const began = performance.now()
    const system = await startSystem(t, { data, config, portBase })
    t.diagnostic(`everything answered after ${((performance.now() - began) / 1000).toFixed(1)} s`)
    return system
  }
  const window = `from=2020-01-01T00:00:00Z&to=${new Date(Date.now() + 3_600_000).toISOString()}`
  const decisions = async (who: Visitor) => {
    const response = await who.fetch(`${METRICS}?service=crud&${window}`)
    assert.equal(response.status, 200, await response.clone().text())
    return ((await response.json()) as { totals: { decisions: number } }).totals.decisions
  }
  const keyId = async (system: Ready) => {
    const jwks = (await (await fetch(`${system.idp}/api/oidc/jwks`)).json()) as {
      keys: { kid: string }[]
    }
    return jwks.keys.map(({ kid }) => kid)
  }

  const first = await start()
  await t.test('the ready file says where everything is, and nothing else', () => {
    const ready = JSON.parse(readFileSync(first.readyFile, 'utf8')) as Ready
    assert.deepEqual(Object.keys(ready).sort(), [
      ...['admin_token_file', 'analytics', 'bff', 'crud', 'idp', 'pids', 'users'],
    ])
    assert.deepEqual(
      [ready.bff, ready.idp, ready.analytics, ready.crud],
      [0, 1, 2, 3].map((offset) => `http://localhost:${portBase + offset}`),
    )
    assert.deepEqual(Object.keys(ready.pids).sort(), ['analytics', 'bff', 'crud', 'idp'])
    for (const pid of Object.values(ready.pids)) assert.ok(isAlive(pid))
    for (const user of ready.users) {
      assert.deepEqual(Object.keys(user).sort(), ['password', 'roles', 'username'])
    }
    assert.ok(ready.users.some(({ roles }) => roles.includes('admin')))
    assert.equal(statSync(first.readyFile).mode & 0o077, 0, 'passwords are for the owner alone')
    assert.equal(statSync(ready.admin_token_file).mode & 0o077, 0)
  })

  await t.test('everything answers as soon as the file is there', async () => {
    for (const origin of [first.bff, first.idp, first.analytics, first.crud]) {
      const response = await fetch(`${origin}/health`)
      assert.equal(response.status, 200, origin)
      assert.equal(((await response.json()) as { status: string }).status, 'ok')
    }
    const page = await fetch(first.bff)
    assert.equal(page.status, 200)
    assert.match(await page.text(), /<div id="root">|<script type="module"/)
  })

  const visitor = await first.signedIn('admin')
  const [admin] = first.users.filter(({ roles }) => roles.includes('admin'))
  assert.ok(admin)
  for (let i = 0; i < 3; i++) await visitor.fetch('/api/crud/projects')
  const before = await until('the events', async () => {
    const count = await decisions(visitor)
    return count >= 6 && count
  })
  const kids = await keyId(first)

  await t.test('SIGTERM stops every process, and the exit code is 0', async () => {
    assert.equal(await first.stop('SIGTERM'), 0)
    assert.deepEqual(Object.values(first.pids).filter(isAlive), [])
    assert.deepEqual(processesOf(data), [])
  })

  const second = await start()
  await t.test('a second start keeps sessions, users, keys and events', async () => {
    const session = await visitor.session()
    assert.ok(session.authenticated)
    assert.equal(session.user.sub, 'demo-ada')
    assert.equal((await visitor.fetch('/api/crud/whoami')).status, 200)
    assert.deepEqual(second.users, first.users)
    const anew = new Visitor(second.bff)
    assert.equal((await anew.signIn(admin)).status, 302)
    assert.deepEqual(await keyId(second), kids)
    assert.ok((await decisions(visitor)) >= before)
  })

  await t.test('a killed BFF ends the system with exit code 1 and its name', async () => {
    process.kill(second.pids.bff, 'SIGKILL')
    assert.equal(await second.exited, 1)
    assert.match(second.output(), /^bridge up: bff ended/m)
    assert.deepEqual(processesOf(data), [])
  })

  const third = await start()
  await t.test('and the next start has the sessions still', async () => {
    const session = await visitor.session()
    assert.ok(session.authenticated)
    assert.equal((await visitor.fetch('/api/v1/analytics/workflows')).status, 200)
  })
  await t.test('SIGINT stops every process, and the exit code is 0', async () => {
    assert.equal(await third.stop('SIGINT'), 0)
    assert.deepEqual(processesOf(data), [])
  })
})

test('a signal to the script that npm runs stops everything too', async (t) => {
  for (const [signal, what] of [
    ['SIGTERM', 'npm'],
    ['SIGINT', 'node'],
  ] as const) {
    await t.test(`${signal} to ${what}`, async (t) => {
      const data = temporaryDirectory(t)
      const args = ['--port-base', String(await freePorts(4))]
      const system =
        what === 'npm'
          ? runCommand(t, 'npm', ['run', 'demo', '--', ...args], data)
          : runCommand(t, process.execPath, ['scripts/bridge.mjs', 'up', ...args], data)
      const { pids } = await system.ready()
      system.child.kill(signal)
      assert.equal(await system.exited, 0, system.output())
      assert.deepEqual(Object.values(pids).filter(isAlive), [])
      assert.deepEqual(processesOf(data), [])
    })
  }
})
