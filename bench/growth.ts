import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { measureBody, measureLoad } from './gateway/measure.ts'
import { plainNginx } from './gateway/nginx.ts'
import { type Options, readOptions } from './gateway/options.ts'
import { provenance, publish } from './gateway/page.ts'
import { type Line, plot } from './gateway/plot.ts'
import { CORES, firstLine, has, moveAside, onCore, stop } from './gateway/process.ts'
import { startProduct } from './gateway/product.ts'
import type { Subject } from './gateway/subject.ts'
import { copySessions } from './session-stores.ts'
import { median } from './turns.ts'

/*
 * What a request costs as the work grows: with the sessions in the store, the routes, the connections,
 * and the size of the body. Writes `.data/bench/growth.json`; with UPDATE_DOCS=1 draws the figures into
 * docs/. `--help` names the options.
 */

const UNDER_WAY = 64
const SESSIONS = [1_000, 10_000, 100_000, 1_000_000]
const ROUTES = [10, 100, 1_000, 5_000]
const CONNECTIONS = [1, 10, 100, 1_000, 10_000]
const BODIES = [1, 1_024, 65_536, 1_048_576, 10_485_760, 104_857_600]
const FILE = join(ROOT, '.data/bench/growth.json')

const options = readOptions({ rounds: 3, seconds: 2 })
moveAside()
process.setMaxListeners(0)
const ends: (() => unknown)[] = []
const t = { after: (end: () => unknown) => void ends.unshift(end) }
const progress = (line: string) =>
  process.stderr.write(`${Math.round(performance.now() / 1000)} s: ${line}\n`)
try {
  await run(options)
} finally {
  for (const end of ends) await end()
}

async function run({ rounds, seconds, quick, publish: draw }: Options): Promise<void> {
  const upstream = onCore(CORES.others, process.execPath, [
    join(import.meta.dirname, 'gateway/upstream.ts'),
  ])
  t.after(() => stop(upstream))
  const { port: backend } = await firstLine<{ port: number }>(upstream)
  const product = await startProduct(t, { backend })
  const callers = await product.signIn(quick ? 5 : 50)
  const ours = () => product.subject('Audience Bridge', callers)
  const nginx = has('nginx') ? [await plainNginx(t, backend, callers)] : []
  const largest = (all: readonly number[]) => (quick ? all.slice(0, -1) : all)

  /** Microseconds of processor time for a request, the median of the rounds. */
  const cost = async (subject: Subject, connections: number) => {
    const how = { connections, underWay: Math.min(UNDER_WAY, connections), seconds }
    await measureLoad(subject, { ...how, seconds: 1 })
    const turns = []
    for (let round = 0; round < rounds; round++) turns.push(await measureLoad(subject, how))
    return round1(median(turns.map(({ cpuUs }) => cpuUs)))
  }

  const connections: Line[] = []
  const bodies: Line[] = []
  for (const subject of [ours(), ...nginx]) {
    const name = subject.name.split(',')[0] ?? ''
    const costs: [number, number][] = []
    for (const count of largest(CONNECTIONS)) {
      costs.push([count, await cost(subject, count)])
      progress(`${name}, ${count} connections: ${costs.at(-1)?.[1]} µs`)
    }
    connections.push({ name, points: costs })
    const times: [number, number][] = []
    for (const bytes of largest(BODIES)) {
      const turns = []
      for (let i = 0; i < Math.max(3, rounds); i++) {
        turns.push(await measureBody(subject, 'download', bytes))
      }
      times.push([bytes, Math.round(median(turns) * 100) / 100])
      progress(`${name}, ${bytes} bytes: ${times.at(-1)?.[1]} ms`)
    }
    bodies.push({ name, points: times })
  }

  const sessions: [number, number][] = []
  for (const [i, count] of largest(SESSIONS).entries()) {
    await product.restart(async () => {
      const path = join(product.data, 'bff/sessions.sqlite')
      const db = new DatabaseSync(path, { readOnly: true })
      const { id } = db.prepare('SELECT id FROM sessions LIMIT 1').get() as { id: string }
      db.close()
      const before = i === 0 ? callers.length : (SESSIONS[i - 1] ?? 0)
      copySessions(path, id, count - before, Math.floor(Date.now() / 1000) + 28_000)
    })
    sessions.push([count, await cost(ours(), UNDER_WAY)])
    progress(`${count} sessions: ${sessions.at(-1)?.[1]} µs`)
  }

  const routes: [number, number][] = []
  for (const count of largest(ROUTES)) {
    const further = Array.from(
      { length: count - 2 },
      (_, i) =>
        `  - { id: more-${i}, path: /api/v1/more-${i % 50}/resource-${i}/*, target_service: analytics_service, auth: session }\n`,
    ).join('')
    const large = await startProduct(t, {
      backend,
      edits: { 'BFF/config/routes.yaml': (text) => `${text.trimEnd()}\n${further}` },
    })
    const subject = large.subject('Audience Bridge', await large.signIn(quick ? 5 : 50))
    routes.push([count, await cost(subject, UNDER_WAY)])
    progress(`${count} routes: ${routes.at(-1)?.[1]} µs`)
  }

  const name = 'Audience Bridge'
  const report = { sessions: [{ name, points: sessions }], routes: [{ name, points: routes }] }
  const figures = { ...report, connections, bodies }
  mkdirSync(join(FILE, '..'), { recursive: true })
  writeFileSync(FILE, `${JSON.stringify({ node: process.version, ...figures }, null, 2)}\n`)
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`)
  if (!draw) return
  const micros = 'processor time, µs a request'
  const drawn = {
    sessions: plot('Sessions in the store', 'sessions', micros, figures.sessions),
    routes: plot('Routes', 'routes', micros, figures.routes),
    connections: plot('Connections', 'open connections', micros, connections),
    bodies: plot('Size of the body', 'bytes', 'milliseconds', bodies),
  }
  for (const [what, svg] of Object.entries(drawn)) {
    writeFileSync(join(ROOT, `docs/performance-${what}.svg`), svg)
  }
  const images = Object.keys(drawn).map((what) => `![${what}](performance-${what}.svg)`)
  publish('growth', [provenance(`medians of ${rounds} rounds`), ...images].join('\n\n'))
}

function round1(figure: number): number {
  return Math.round(figure * 10) / 10
}
