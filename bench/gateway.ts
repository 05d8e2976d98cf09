import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { Order, Seen } from './gateway/load.ts'
import { startPeers } from './gateway/peers.ts'
import { CORES, cpuMs, firstLine, has, onCore, outputOf, rssMb, stop } from './gateway/process.ts'
import { startProduct } from './gateway/product.ts'
import { median } from './turns.ts'

/*
 * The data path against its peers: one core for who is measured, the other for load and backend, all
 * of them in turns within each round. Every answer is checked, its token too. Writes
 * `.data/bench/gateway.json` and prints a table. `--rounds N`, `--seconds N`, `--sessions N`.
 */

const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : Number(process.argv[at + 1])
}
const ROUNDS = option('rounds', 7)
const SECONDS = option('seconds', 5)
const SESSIONS = option('sessions', 100)
const CONNECTIONS = 64
const IDLE = 1000
const PAGE = resolve(import.meta.dirname, '../docs/performance.md')
const FILE = resolve(import.meta.dirname, '../.data/bench/gateway.json')

if (!has('taskset') || availableParallelism() < 2) {
  process.stderr.write('two cores and taskset are needed (Debian: util-linux)\n')
  process.exit(1)
}

const ends: (() => unknown)[] = []
const t = { after: (end: () => unknown) => void ends.unshift(end) }

interface Subject {
  name: string
  port: number
  pid: number
  token: string | undefined
}

interface Round {
  name: string
  perSecond: number
  cpuUs: number
  p50Us: number
  p99Us: number
}

try {
  const upstream = onCore(CORES.others, process.execPath, [
    join(import.meta.dirname, 'gateway/upstream.ts'),
  ])
  t.after(() => stop(upstream))
  const { port: backend } = await firstLine<{ port: number }>(upstream)
  const product = await startProduct(t, backend, SESSIONS, true)
  const { peers, missing } = await startPeers(t, backend, product)
  for (const [name, why] of Object.entries(missing))
    process.stdout.write(`without ${name}: ${why}\n`)
  const subjects: Subject[] = [
    { name: 'Audience Bridge', port: product.port, pid: product.pid, token: undefined },
    ...peers,
  ]

  const measure = async (
    { name, port, pid, token }: Subject,
    connections: number,
    seconds: number,
  ) => {
    const sessions = product.sessions.map((session) => ({
      ...session,
      token: token ?? session.token,
    }))
    const { path, agent } = product
    const order: Order = { port, path, sessions, agent, connections, seconds }
    const before = cpuMs(pid)
    const load = onCore(CORES.others, process.execPath, [
      join(import.meta.dirname, 'gateway/load.ts'),
      JSON.stringify(order),
    ])
    const seen = await outputOf<Seen>(load)
    if (seen.wrong > 0) throw new Error(`${name}: ${seen.wrong} wrong answers, as ${seen.example}`)
    const cpuUs = ((cpuMs(pid) - before) * 1000) / seen.requests
    const { perSecond, p50Us, p99Us } = seen
    return { name, perSecond, cpuUs, p50Us, p99Us } satisfies Round
  }

  for (const subject of subjects) await measure(subject, CONNECTIONS, 1)
  const rounds: Round[] = []
  const single: Round[] = []
  const streams: { name: string; mbPerSecond: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const subject of subjects) {
      process.stderr.write(`round ${round + 1}: ${subject.name}\n`)
      rounds.push(await measure(subject, CONNECTIONS, SECONDS))
      single.push(await measure(subject, 1, Math.min(1, SECONDS)))
      streams.push({ name: subject.name, mbPerSecond: await stream(subject) })
    }
  }

  const results = subjects.map((subject) => {
    const of = <T extends { name: string }>(all: T[], pick: (one: T) => number) =>
      median(all.filter(({ name }) => name === subject.name).map(pick))
    return {
      name: subject.name,
      requests_per_second: Math.round(of(rounds, ({ perSecond }) => perSecond)),
      cpu_us_per_request: round1(of(rounds, ({ cpuUs }) => cpuUs)),
      p50_us: of(rounds, ({ p50Us }) => p50Us),
      p99_us: of(rounds, ({ p99Us }) => p99Us),
      alone_p50_us: of(single, ({ p50Us }) => p50Us),
      alone_p99_us: of(single, ({ p99Us }) => p99Us),
      stream_mb_per_second: Math.round(of(streams, ({ mbPerSecond }) => mbPerSecond)),
      rss_mb: rssMb(subject.pid),
      rss_mb_idle_connections: 0,
    }
  })
  for (const [i, subject] of subjects.entries()) {
    const sockets = await openIdle(subject)
    const result = results[i]
    if (result !== undefined) result.rss_mb_idle_connections = rssMb(subject.pid)
    for (const socket of sockets) socket.destroy()
  }
  const report = { node: process.version, rounds: ROUNDS, seconds: SECONDS, missing, results }
  mkdirSync(join(FILE, '..'), { recursive: true })
  writeFileSync(FILE, `${JSON.stringify(report, null, 2)}\n`)
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  if (process.env.UPDATE_DOCS === '1') updatePage(table(results))
  const [own] = results
  for (const peer of results.slice(1)) {
    if (own === undefined) break
    const speed = own.requests_per_second / peer.requests_per_second
    const cost = own.cpu_us_per_request / peer.cpu_us_per_request
    process.stdout.write(
      `${speed.toFixed(2)} × ${peer.name}; CPU per request ${cost.toFixed(2)} ×\n`,
    )
  }

  async function stream({ port }: Subject): Promise<number> {
    const begunAt = performance.now()
    let bytes = 0
    await new Promise<void>((done, fail) => {
      const headers = { cookie: product.sessions[0]?.cookie ?? '', 'user-agent': product.agent }
      const path = product.path.replace('bench', 'big')
      request(
        { port, host: '127.0.0.1', path: port === product.port ? path : '/big', headers },
        (res) => {
          if (res.statusCode !== 200) fail(new Error(`the stream was answered ${res.statusCode}`))
          res.on('data', (chunk: Buffer) => {
            bytes += chunk.length
          })
          res.on('end', done).on('error', fail)
        },
      )
        .on('error', fail)
        .end()
    })
    return bytes / 1048576 / ((performance.now() - begunAt) / 1000)
  }

  /** Connections that have had an answer each, and wait. */
  async function openIdle({ port }: Subject): Promise<Socket[]> {
    const { path, agent, sessions } = product
    const text = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${agent}\r\nCookie: ${sessions[0]?.cookie}\r\n\r\n`
    const sockets: Socket[] = []
    while (sockets.length < IDLE) {
      const socket = connect({ port, host: '127.0.0.1' })
      sockets.push(socket)
      await new Promise<void>((answered, fail) => {
        socket.once('data', () => answered()).once('error', fail)
        socket.write(text)
      })
      socket.resume()
    }
    return sockets
  }
} finally {
  for (const end of ends) await end()
}

function round1(figure: number): number {
  return Math.round(figure * 10) / 10
}

function table(results: readonly Record<string, string | number>[]): string {
  const columns = Object.keys(results[0] ?? {})
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [
    line(columns.map((column) => column.replaceAll('_', ' '))),
    line(columns.map(() => '---')),
    ...results.map((result) => line(columns.map((column) => result[column] ?? ''))),
  ].join('\n')
}

/** Puts the figures at the end of the page, in place of those of before. */
function updatePage(figures: string): void {
  const [text = ''] = readFileSync(PAGE, 'utf8').split('\n## Figures\n', 1)
  const how = `Node ${process.version}, medians of ${ROUNDS} rounds.`
  writeFileSync(PAGE, `${text.trimEnd()}\n\n## Figures\n\n${how}\n\n${figures}\n`)
}
