import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openConfigFiles } from '@audience-bridge/bff/config-files.ts'
import { openEventOutbox } from '@audience-bridge/bff/event-outbox.ts'
import { DECISION_EVENT } from '@audience-bridge/contracts/event.ts'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import type { NewEvent } from '@audience-bridge/outbox/outbox.ts'
import { copyConfig, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const event = (id: string): NewEvent => ({
  id,
  type: DECISION_EVENT,
  data: {
    service: 'crud_service',
    subject_roles: [],
    decision: 'Allow',
    resource: 'route',
    resource_id: 'x',
    action: 'GET',
    latency_ms: 1,
  },
})

async function startWorld(t: TestContext) {
  const data = temporaryDirectory(t)
  ensureSecretFile(join(data, 'secrets/admin.token'))
  const sink = await startEcho(t)
  const logs: Record<string, unknown>[] = []
  const config = openConfigFiles(
    copyConfig(t, {
      'BFF/config/routes.yaml': (text) =>
        text.replaceAll(/base_url: .*/g, `base_url: ${sink.origin}`),
    }),
    { BRIDGE_DATA: data },
  ).read().value
  assert.ok(config)
  const value = { token: 'e30.e30.', expiresInSeconds: 600, scope: undefined }
  const idp = { clientCredentials: async () => ({ kind: 'ok' as const, value }) }
  const open = (number: number, count: number) => {
    const outbox = openEventOutbox(config, () => config, {
      idp: () => idp,
      log: captureLog(logs),
      worker: { number, count },
    })
    assert.ok(outbox)
    return outbox
  }
  return { data, sink, logs, open }
}

test('each worker has a queue of its own, and what a former one left is sent', async (t) => {
  const { data, sink, open } = await startWorld(t)
  sink.respond = (_arrival, res) => res.writeHead(503).end()
  const workers = [open(1, 3), open(2, 3), open(3, 3)]
  for (const [i, worker] of workers.entries()) worker.emit(event(`event-${i + 1}`))
  await Promise.all(workers.map((worker) => worker.close()))
  assert.ok(existsSync(join(data, 'bff/events.sqlite')))
  assert.ok(existsSync(join(data, 'bff/events.worker-3.sqlite')))

  sink.arrivals.length = 0
  sink.respond = (arrival, res) => {
    const accepted = (JSON.parse(arrival.body) as unknown[]).length
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ accepted, duplicates: 0, rejected: [] }))
  }
  const sent = () =>
    sink.arrivals.flatMap(({ body }) => (JSON.parse(body) as { id: string }[]).map(({ id }) => id))
  const [one, two] = [open(1, 2), open(2, 2)]
  await until('all of them', () => new Set(sent()).size === 3)
  assert.deepEqual(sent().sort(), ['event-1', 'event-2', 'event-3'])
  await Promise.all([one.close(), two.close()])
})

test('a queue of a worker that still runs is left alone', async (t) => {
  const { logs, open } = await startWorld(t)
  const third = open(3, 3)
  const one = open(1, 2)
  assert.ok(logs.some(({ message }) => /stays unsent/.test(`${message}`)))
  await Promise.all([one.close(), third.close()])
})
