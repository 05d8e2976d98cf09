import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startNodes } from '@audience-bridge/testkit/nodes.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startWebSocketEcho } from '@audience-bridge/testkit/websocket.ts'
import { ACTORS, type Stage } from './soak/actors.ts'
import { startBackend } from './soak/backend.ts'
import { Ledger } from './soak/ledger.ts'
import { growthOf, type Holding, holdingOf } from './soak/watch.ts'

/*
 * Everything at once for a while, against the real processes: nothing may fail without an explanation,
 * and nothing may grow. `--minutes N` or `--seconds N` (default: a minute), `--pace N` rounds of
 * every actor in a second (default: 1), `--workers N`. Exits 1 and says why; writes
 * `.data/bench/soak.json`.
 */

const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : Number(process.argv[at + 1])
}
const SECONDS = option('minutes', 0) * 60 || option('seconds', 60)
const PACE = option('pace', 1)
const WORKERS = option('workers', 1)
/** Those who stay signed in. */
const VISITORS = 8
/** How often each actor comes in a round. */
const WEIGHTS: Readonly<Record<string, number>> = { read: 20, download: 2 }
const OUTAGE = { everyMs: 11_000, ms: 400, graceMs: 2_000 }
const RELOAD_MS = 3_000
/** Short: every token is renewed many times. */
const TOKEN_SECONDS = 16
/** What memory may grow by, in MiB and in parts; V8 takes some minutes to its final size. */
const GROWTH = { mb: SECONDS < 600 ? 48 : 24, ratio: 1.15, descriptors: 24 }
const FILE = resolve(import.meta.dirname, '../.data/bench/soak.json')

const ends: (() => unknown)[] = []
const t = { after: (end: () => unknown) => void ends.unshift(end) }

try {
  process.exitCode = await run()
} finally {
  for (const end of ends) await end()
}
// Whoever was cut off may still hold a timer.
process.exit()

async function run(): Promise<number> {
  const backend = await startBackend(t)
  const sockets = await startWebSocketEcho(t)
  const nodes = await startNodes(t, {
    count: 1,
    edits: {
      'BFF/config/settings.yaml': inOrder(
        replace('server:\n', `server:\n  workers: ${WORKERS}\n`),
        replace('auth:\n', `auth:\n  service_token_seconds: ${TOKEN_SECONDS}\n`),
        (text) => text.replace(/events:\n(?: .*\n)+/, ''),
      ),
      'BFF/config/routes.yaml': (text) => `${text}
  - { id: ws, path: /api/ws/*, target_service: analytics_service, auth: session, websocket: true }
  - { id: stream, path: /api/stream/*, target_service: crud_service, auth: session, streaming: true }
`,
    },
    env: {
      ANALYTICS_PORT: new URL(sockets.origin).port,
      CRUD_PORT: String(backend.port),
    },
  })
  const [bff] = nodes.bffs
  if (bff?.pid === undefined) throw new Error('no BFF')
  const { pid } = bff
  const admin = { authorization: `Bearer ${nodes.adminToken}` }
  const ask = async (path: string, method = 'GET') =>
    (await fetch(new URL(path, bff.origin), { method, headers: admin })).text()

  const ledger = new Ledger(async (id) => {
    const text = await ask(`/admin/explain/${encodeURIComponent(id)}`)
    return (JSON.parse(text) as { request?: { problem?: string } }).request?.problem
  }, OUTAGE.graceMs)
  const visitors: Visitor[] = []
  while (visitors.length < VISITORS) visitors.push(await nodes.signedIn())
  let turn = 0
  let signingIn: Promise<unknown> = Promise.resolve()
  const stage: Stage = {
    ledger,
    visitor: () => visitors[turn++ % visitors.length] as Visitor,
    // One after the other: five at once of one user from one address are a guesser to the IdP.
    signIn() {
      const mine = signingIn.then(() => nodes.signedIn())
      signingIn = mine.catch(() => {})
      return mine
    },
  }

  const idle = holdingOf(pid)
  const samples: Holding[] = []
  const under = new Set<Promise<unknown>>()
  const timers: NodeJS.Timeout[] = []
  const every = (ms: number, work: () => Promise<unknown>) => {
    timers.push(
      setInterval(() => {
        const began = performance.now()
        const one: Promise<unknown> = work()
          .catch((cause: unknown) => ledger.broke(work.name, began, cause))
          .finally(() => under.delete(one))
        under.add(one)
      }, ms),
    )
  }

  for (const [name, act] of Object.entries(ACTORS)) {
    const named = { [name]: () => act(stage) }[name] as () => Promise<void>
    every(1000 / PACE / (WEIGHTS[name] ?? 1), named)
  }
  every(OUTAGE.everyMs, async function outage() {
    const over = ledger.outage()
    await backend.stop()
    await new Promise((wait) => setTimeout(wait, OUTAGE.ms))
    await backend.start()
    over()
    ledger.count('restarts of the backend')
  })
  let reloads = 0
  every(RELOAD_MS, async function reload() {
    const [from, to] = reloads++ % 2 === 0 ? [30, 31] : [31, 30]
    nodes.reconfigure({
      'BFF/config/routes.yaml': (text) => text.replaceAll(`timeout: ${from}`, `timeout: ${to}`),
    })
    const status = JSON.parse(await ask('/admin/reload', 'POST')) as { refused?: boolean }
    if (status.refused !== false) ledger.fault(`reload: ${JSON.stringify(status)}`)
    ledger.count('reloads')
  })
  every(1000, async function sample() {
    samples.push(holdingOf(pid))
    for (const { level, message } of bff.logs.splice(0)) {
      if (level === 'error' || level === 'fatal') ledger.fault(`the log says: ${message}`)
    }
  })

  await new Promise((over) => setTimeout(over, SECONDS * 1000))
  for (const timer of timers) clearInterval(timer)
  await Promise.all(under)

  // Nothing of what is over is held: no channel, no connection.
  const open = async () =>
    / bff_open_channels (\d+)|^bff_open_channels (\d+)/m.exec(await ask('/metrics'))
  await until('the end of all channels', async () => Number((await open())?.[2]) === 0).catch(
    (cause: unknown) => ledger.fault(String(cause)),
  )
  let last = holdingOf(pid)
  await until(
    'the end of all connections',
    () => {
      last = holdingOf(pid)
      return last.descriptors <= idle.descriptors + GROWTH.descriptors
    },
    30_000,
  ).catch(() =>
    ledger.fault(`${last.descriptors} descriptors are open, ${idle.descriptors} were before`),
  )
  const memory = growthOf(samples.map(({ rssMb }) => rssMb))
  if (memory.after > memory.before * GROWTH.ratio && memory.after > memory.before + GROWTH.mb) {
    ledger.fault(`memory grew from ${memory.before.toFixed(0)} to ${memory.after.toFixed(0)} MiB`)
  }
  if (samples.length < SECONDS / 2) ledger.fault(`${samples.length} samples in ${SECONDS} s`)

  const told = {
    ...{ seconds: SECONDS, pace: PACE, workers: WORKERS, idle, last, memory },
    counts: Object.fromEntries([...ledger.counts].sort()),
    faults: ledger.faults,
  }
  mkdirSync(dirname(FILE), { recursive: true })
  writeFileSync(FILE, `${JSON.stringify(told, null, 2)}\n`)
  process.stdout.write(`${JSON.stringify(told, null, 2)}\n`)
  if ((await bff.stop()) !== 0) {
    process.stdout.write('the BFF did not end well\n')
    return 1
  }
  return ledger.faults.length === 0 ? 0 : 1
}
