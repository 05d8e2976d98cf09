import { randomBytes } from 'node:crypto'
import { cpus } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import type { SessionStore } from '@audience-bridge/bff/session/store.ts'
import { sweepExpired } from '@audience-bridge/bff/session/sweep.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import {
  clock,
  IDLE_SECONDS,
  newLogin,
  newSessions,
  redisSubject,
  type Subject,
  sqliteSubject,
} from './session-stores.ts'
import { again, atOnce, inTurns, timed } from './turns.ts'

/*
 * A million sessions in each store: how long one is looked up, how many log in and how many tokens are
 * kept in a second, each against a store that is nearly empty, in turns within the same run; what a
 * session takes; and how long a hundred thousand that expire hold up everything else.
 *
 *   node bench/sessions.ts [--sessions 1000000] [--stores sqlite,redis]
 */

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '1000000' },
    stores: { type: 'string', default: 'sqlite,redis' },
  },
})
const MANY = Number(values.sessions)
const FEW = 1000
const EXPIRING = Math.ceil(MANY / 10)
/** Looked up, one after the other. */
const LOOKUPS = 1500
/** Written at once, as by as many users. */
const BATCH = 20
const BATCHES = 40
const STEP = 250_000
/** A lookup that takes more times as long as in an empty store fails the run. */
const MAX_RATIO = 3
/** So does an expiry during which one wait in a hundred is longer than before it by more. */
const MAX_WAIT_MS = 100

const cleanups: (() => unknown)[] = []
const cleanup = { after: (body: () => unknown) => void cleanups.unshift(body) }
const progress = (line: string) =>
  process.stderr.write(`${Math.round(performance.now() / 1000)} s: ${line}\n`)
const report = []
let tooSlow = false
try {
  for (const name of values.stores.split(',')) {
    const few = name === 'redis' ? await redisSubject(cleanup) : await sqliteSubject(cleanup)
    const many = name === 'redis' ? await redisSubject(cleanup) : await sqliteSubject(cleanup)
    report.push(await compare(name, few, many))
  }
  const machine = `${cpus().length} cores, Node ${process.version}`
  const at = new Date().toISOString().slice(0, 10)
  process.stdout.write(
    `${JSON.stringify({ at, machine, sessions: MANY, stores: report }, null, 2)}\n`,
  )
  process.stdout.write(`${table(report)}\n`)
  if (tooSlow) process.exitCode = 1
} finally {
  for (const body of cleanups) await body()
}

async function compare(name: string, few: Subject, many: Subject) {
  const templates = new Map<Subject, string>()
  for (const subject of [few, many]) {
    const sessions = newSessions(subject.store)
    templates.set(subject, (await again(() => sessions.create(newLogin()))).ticket.id)
    sessions.close()
  }
  const fill = (subject: Subject, count: number, expiresAt: number) =>
    subject.fill(templates.get(subject) ?? '', count, expiresAt)
  await fill(few, FEW, clock() + 28_000)
  const before = await many.bytes()
  for (let done = 0; done < MANY; done += STEP) {
    await fill(many, Math.min(STEP, MANY - done), clock() + 28_000 - (done / STEP) * 60)
    progress(`${name}: ${Math.min(done + STEP, MANY)} sessions`)
  }
  const bytesPerSession = Math.round(((await many.bytes()) - before) / MANY)

  const [small, large] = [few.store, many.store]
  const login = await inTurns(small, large, BATCHES, async (store) => {
    const sessions = newSessions(store)
    const took = await timed(() => atOnce(BATCH, () => sessions.create(newLogin())))
    sessions.close()
    return BATCH / took
  })
  progress(`${name}: logins ${JSON.stringify(ratesOf(login))}`)
  const cookies = new Map<SessionStore, string[]>()
  for (const store of [small, large]) {
    const sessions = newSessions(store)
    const made: string[] = []
    for (let at = 0; at < LOOKUPS; at += BATCH) {
      const created = await again(() => atOnce(BATCH, () => sessions.create(newLogin())))
      made.push(...created.map(({ ticket }) => ticket.cookie))
    }
    sessions.close()
    cookies.set(store, made)
  }
  const lookup = await inTurns(small, large, LOOKUPS, async (store, turn) => {
    const sessions = newSessions(store)
    const cookie = cookies.get(store)?.[turn]
    const took = await timed(async () => {
      const { kind } = await sessions.find(cookie)
      if (kind !== 'session') throw new Error(`${turn}: ${kind}`)
    })
    sessions.close()
    return took
  })
  progress(`${name}: lookups ${JSON.stringify(lookup)}`)
  const ids = await sampleIds(large, small)
  const token = randomBytes(1100)
  const mint = await inTurns(small, large, BATCHES, async (store, turn) => {
    const own = ids.get(store) ?? []
    const took = await timed(() =>
      atOnce(BATCH, async (i) => {
        const id = own[(turn * BATCH + i) % own.length] ?? ''
        const holder = `mint/${turn}/${i}/${clock()}`
        const lease = await store.acquireLease(id, holder, holder, 10_000)
        if (lease.kind !== 'held') throw new Error(lease.kind)
        await store.writeToken(id, 'analytics', token, clock() + 600, lease.fence)
        await store.releaseLease(id, holder, holder)
      }),
    )
    return BATCH / took
  })
  progress(`${name}: mints ${JSON.stringify(ratesOf(mint))}`)
  const count_ms = await again(() => timed(() => large.countSessions()))
  const expiry = await expire(name, many, (at) => fill(many, EXPIRING, at))

  const lookupRatio = lookup.large / lookup.small
  if (lookupRatio > MAX_RATIO || expiry.expiring.p99_ms > MAX_WAIT_MS + expiry.calm.p99_ms)
    tooSlow = true
  return {
    store: name,
    bytes_per_session: bytesPerSession,
    lookup_ms: { few: round(lookup.small), many: round(lookup.large), ratio: round(lookupRatio) },
    logins_per_second: ratesOf(login),
    mints_per_second: ratesOf(mint),
    count_ms: round(count_ms),
    expiry,
  }
}

async function sampleIds(...stores: SessionStore[]): Promise<Map<SessionStore, string[]>> {
  const ids = new Map<SessionStore, string[]>()
  for (const store of stores) {
    const { sessions } = await again(() => store.listSessions('all', { limit: FEW }))
    ids.set(
      store,
      sessions.map(({ id }) => id),
    )
  }
  return ids
}

/** How long a lookup waits, for the store and for its turn in this process, while others expire. */
async function expire(
  name: string,
  subject: Subject,
  fill: (expiresAt: number) => Promise<void>,
): Promise<{ sessions: number; took_ms: number; calm: Waits; expiring: Waits }> {
  const before = await again(() => subject.store.countSessions())
  const byItself = name === 'redis'
  const at = clock() + (byItself ? 30 + Math.ceil(EXPIRING / 1000) : 0)
  await fill(at)
  const { store } = subject
  if (byItself) await until('the expiry', () => clock() >= at - 25, 400_000)
  const calm = await waitsDuring(store, new Promise((resolve) => setTimeout(resolve, 3000)))
  const began = performance.now()
  const gone = byItself
    ? until(
        'the end',
        async () => clock() > at && (await again(() => store.countSessions())) <= before,
        60_000,
      )
    : sweepAll(store)
  const expiring = await waitsDuring(store, gone)
  const took = performance.now() - began
  if ((await again(() => store.countSessions())) > before)
    throw new Error('expired sessions are left')
  return { sessions: EXPIRING, took_ms: Math.round(took), calm, expiring }
}

async function sweepAll(store: SessionStore): Promise<void> {
  while (!(await sweepExpired(store, clock(), IDLE_SECONDS))) {}
}

interface Waits {
  p99_ms: number
  max_ms: number
  longest_block_ms: number
}

async function waitsDuring(store: SessionStore, work: Promise<unknown>): Promise<Waits> {
  const { sessions } = await again(() => store.listSessions('all', { limit: 1 }))
  const id = sessions[0]?.id ?? ''
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const waits: number[] = []
  let working = true
  const done = work.finally(() => {
    working = false
  })
  delay.enable()
  while (working) {
    waits.push(
      await timed(async () => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        await store.readSession(id).catch(() => {})
      }),
    )
  }
  delay.disable()
  await done
  return {
    p99_ms: quantile(waits, 0.99),
    max_ms: quantile(waits, 1),
    longest_block_ms: round(delay.max / 1e6),
  }
}

function quantile(figures: number[], share: number): number {
  figures.sort((a, b) => a - b)
  return round(figures[Math.min(figures.length - 1, Math.floor(figures.length * share))] ?? 0)
}

function round(figure: number): number {
  return Number(figure.toPrecision(3))
}

/** From calls a millisecond. */
function ratesOf({ small, large }: { small: number; large: number }) {
  const [few, many] = [Math.round(small * 1000), Math.round(large * 1000)]
  return { few, many, ratio: round(large / small) }
}

function table(rows: Awaited<ReturnType<typeof compare>>[]): string {
  const lines = rows.map((row) => {
    const { lookup_ms: lookup, logins_per_second: login, mints_per_second: mint, expiry } = row
    return [
      row.store,
      `${lookup.many} ms (× ${lookup.ratio})`,
      `${row.bytes_per_session}`,
      `${login.many} (× ${login.ratio})`,
      `${mint.many} (× ${mint.ratio})`,
      `${expiry.expiring.p99_ms} ms (calm ${expiry.calm.p99_ms})`,
      `${expiry.expiring.longest_block_ms} ms (calm ${expiry.calm.longest_block_ms})`,
    ]
  })
  const head = [
    'store',
    'lookup',
    'bytes a session',
    'logins/s',
    'mints kept/s',
    'expiry p99',
    'expiry max',
  ]
  return [head, head.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}
