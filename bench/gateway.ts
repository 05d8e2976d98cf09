import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { judgeGoals, OURS } from './gateway/goals.ts'
import { mbPerSecond, measureBody, measureIdle, measureLoad } from './gateway/measure.ts'
import { type Options, readOptions } from './gateway/options.ts'
import { provenance, publish, table } from './gateway/page.ts'
import { startPeers } from './gateway/peers.ts'
import { CORES, firstLine, moveAside, onCore, rssKb, stop } from './gateway/process.ts'
import { startProduct } from './gateway/product.ts'
import { type Memory, ratioOf, resultOf, type Turn } from './gateway/result.ts'
import type { Subject } from './gateway/subject.ts'

/*
 * The data path against its peers: one core for who is measured, the other for load and backend, all
 * of them in turns within each round. Every answer is checked, its token too. Writes
 * `.data/bench/gateway.json`, prints a table, and which goals are met. `--help` names the options.
 */

const CONNECTIONS = 64
const BIG = 100 * 1024 * 1024
const IDLE = 1000
const FURTHER = 2000
process.setMaxListeners(0)
const FILE = join(ROOT, '.data/bench/gateway.json')

const options = readOptions({ rounds: 5, seconds: 3 })
moveAside()
const ends: (() => unknown)[] = []
const t = { after: (end: () => unknown) => void ends.unshift(end) }
try {
  await run(options)
} finally {
  for (const end of ends) await end()
}

async function run({ rounds, seconds, sessions, workers, strict, ...more }: Options) {
  progress('starting everybody')
  const upstream = onCore(CORES.others, process.execPath, [
    join(import.meta.dirname, 'gateway/upstream.ts'),
  ])
  t.after(() => stop(upstream))
  const { port: backend } = await firstLine<{ port: number }>(upstream)
  const product = await startProduct(t, { backend })
  const callers = await product.signIn(sessions)
  const subjects = [product.subject(OURS, callers)]
  if (workers > 1) {
    const second = await startProduct(t, { backend, workers })
    subjects.push(second.subject(`${OURS}, ${workers} workers`, await second.signIn(sessions)))
  }
  const peers = await startPeers(t, backend, product, callers, {
    ...{ rounds, seconds, sessions, workers, strict },
    ...more,
  })
  subjects.push(...peers.subjects)
  for (const [name, why] of Object.entries(peers.missing)) progress(`without ${name}: ${why}`)

  const memories = new Map<string, Memory>()
  for (const subject of subjects) {
    await measureLoad(subject, { connections: CONNECTIONS, seconds: 2 })
    // Before the rounds: behind them the heap has room that further connections would fill unseen.
    memories.set(subject.name, await weigh(subject))
  }
  const turns = new Map<string, Turn[]>()
  for (let round = 1; round <= rounds; round++) {
    for (const subject of subjects) {
      const turn = await takeTurn(subject, seconds)
      turns.set(subject.name, [...(turns.get(subject.name) ?? []), turn])
      const { requests_per_second: rate, cpu_us_per_request: cpu } = turn
      progress(`round ${round}: ${subject.name}: ${rate}/s, ${cpu.toFixed(1)} µs`)
    }
  }
  const results = []
  for (const subject of subjects) {
    const memory = memories.get(subject.name)
    if (memory === undefined) continue
    results.push(resultOf(subject, turns.get(subject.name) ?? [], memory))
  }
  const goals = judgeGoals(
    results,
    (figure, own, peer) =>
      ratioOf(figure, [own, peer], [turns.get(own.name) ?? [], turns.get(peer.name) ?? []]),
    availableParallelism(),
  )
  const report = { node: process.version, rounds, seconds, missing: peers.missing, results, goals }
  mkdirSync(join(FILE, '..'), { recursive: true })
  writeFileSync(FILE, `${JSON.stringify(report, null, 2)}\n`)
  const figures = table(results.map((result) => ({ ...result })))
  const verdicts = table(
    goals.map(({ goal, measured, met }) => ({ goal, measured, '': met ? 'met' : 'missed' })),
  )
  process.stdout.write(`${figures}\n\n${verdicts}\n`)
  if (more.publish) {
    const how = provenance(`medians of ${rounds} rounds of ${seconds} s`)
    publish('gateway', `${how}\n\n${verdicts}\n\n${figures}`)
  }
  if (strict && goals.some(({ met }) => !met)) process.exitCode = 1
}

async function takeTurn(subject: Subject, seconds: number): Promise<Turn> {
  const load = await measureLoad(subject, { connections: CONNECTIONS, seconds })
  const half = await measureLoad(subject, {
    connections: CONNECTIONS,
    ...{ seconds, rate: load.perSecond / 2 },
  })
  const alone = await measureLoad(subject, { connections: 1, seconds: Math.min(1, seconds) })
  return {
    requests_per_second: load.perSecond,
    cpu_us_per_request: load.cpuUs,
    p50_us: load.p50Us,
    p99_us: load.p99Us,
    half_load_p99_us: half.p99Us,
    alone_p50_us: alone.p50Us,
    alone_p99_us: alone.p99Us,
    download_mb_per_second: mbPerSecond(BIG, await measureBody(subject, 'download', BIG)),
    upload_mb_per_second: mbPerSecond(BIG, await measureBody(subject, 'upload', BIG)),
  }
}

async function weigh(subject: Subject): Promise<Memory> {
  const bare = rssKb(subject.pids)
  const [some, more] = await measureIdle(subject, [IDLE, IDLE + FURTHER])
  return {
    rss_mb: inMb(bare),
    rss_mb_1000_idle: some && inMb(some),
    kb_per_further_connection: some && more && Math.round((more - some) / (FURTHER / 10)) / 10,
  }
}

function inMb(kb: number): number {
  return Math.round(kb / 102.4) / 10
}

function progress(line: string): void {
  process.stderr.write(`${Math.round(performance.now() / 1000)} s: ${line}\n`)
}
