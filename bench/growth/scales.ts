import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cleanup, replace } from '@audience-bridge/testkit/config-copy.ts'
import { OURS } from '../gateway/goals.ts'
import { measureBody, measureIdle, measureLoad } from '../gateway/measure.ts'
import { plainNginx } from '../gateway/nginx.ts'
import type { Options } from '../gateway/options.ts'
import { type Product, startProduct } from '../gateway/product.ts'
import type { Caller, Subject } from '../gateway/subject.ts'
import { clock, fillSqlite } from '../session-stores.ts'
import { median, timed } from '../turns.ts'
import type { Plot } from './plot.ts'

export interface World {
  t: Cleanup
  /** The port of the backend. */
  backend: number
  options: Options
  progress(line: string): void
}

/** How each thing that there may be more of is measured. */
export const SCALES: Readonly<Record<string, (world: World) => Promise<Plot[]>>> = {
  sessions: measureSessions,
  routes: measureRoutes,
  connections: measureConnections,
  bodies: measureBodies,
}

const UNDER_WAY = 64
const USERS = 20
const NGINX = 'nginx, fixed bearer'
const perSecond = 'requests a second'

/** A figure of somebody, with so many of what grows. */
interface Point {
  line: string
  x: number
  measure(): Promise<number>
}

/** Everybody in turn within each round; medians, as the lines of a plot. */
async function inRounds({ options, progress }: World, points: readonly Point[]) {
  const figures = points.map((): number[] => [])
  for (let round = 1; round <= options.rounds; round++) {
    for (const [i, { line, x, measure }] of points.entries()) {
      const figure = await measure()
      figures[i]?.push(figure)
      progress(`round ${round}: ${line}, ${x}: ${Number(figure.toPrecision(4))}`)
    }
  }
  return [...new Set(points.map(({ line }) => line))].map((name) => ({
    name,
    points: points.flatMap(({ line, x }, i) =>
      line === name ? [{ x, y: median(figures[i] ?? []) }] : [],
    ),
  }))
}

/** Sessions that nobody uses, beside those that are used; copied straight into the store. */
async function measureSessions(world: World): Promise<Plot[]> {
  const { t, backend, options, progress } = world
  const points: Point[] = []
  const first: { x: number; y: number }[] = []
  for (const x of options.quick ? [1e3, 1e4] : [1e3, 1e4, 1e5, 1e6]) {
    const product = await startProduct(t, { backend })
    const callers = await product.signIn(Math.min(options.sessions, USERS))
    const path = join(product.data, 'bff/sessions.sqlite')
    await product.restart(async () => {
      fillSqlite(path, undefined, x - callers.length, clock() + 28_000)
    })
    progress(`sessions: ${x} in the store`)
    const subject = product.subject(OURS, callers)
    first.push({ x, y: await firstCall(subject) })
    points.push({ line: OURS, x, measure: () => rate(subject, options.seconds) })
  }
  return [
    {
      ...{ name: 'sessions', title: 'Requests a second, by sessions in the store' },
      ...{ x: 'sessions', y: perSecond, lines: await inRounds(world, points) },
    },
    {
      ...{ name: 'sessions-first-call', title: 'The first call of a session after a restart' },
      ...{ x: 'sessions in the store', y: 'milliseconds' },
      lines: [{ name: `${OURS}, from the store`, points: first }],
    },
  ]
}

/** The median of a call of each, none of whom is in memory yet; one goes first and is not counted. */
async function firstCall({ port, path, callers, agent }: Subject): Promise<number> {
  const times: number[] = []
  for (const { cookie } of callers) {
    const took = await timed(async () => {
      const headers = { cookie, 'user-agent': agent, 'sec-fetch-site': 'same-origin' }
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
      if (!answer.ok) throw new Error(`the first call: ${answer.status} ${await answer.text()}`)
      await answer.arrayBuffer()
    })
    times.push(took)
  }
  return median(times.slice(1))
}

/** Routes of the running product, five of which are asked for; as many locations of nginx. */
async function measureRoutes(world: World): Promise<Plot[]> {
  const { t, backend, options, progress } = world
  const points: Point[] = []
  for (const x of options.quick ? [10, 5000] : [10, 100, 1000, 5000]) {
    const product = await startProduct(t, { backend })
    const callers = await product.signIn(Math.min(options.sessions, USERS))
    await product.restart(async () => addRoutes(product, x))
    const paths = Array.from({ length: 5 }, (_, i) => `${prefixOf(Math.floor((i * x) / 5))}/bench`)
    const prefixes = Array.from({ length: x }, (_, i) => `${prefixOf(i)}/`)
    const nginx = await plainNginx(t, backend, callers, prefixes)
    progress(`routes: ${x} are there`)
    const ask = (subject: Subject) => () => rate(subject, options.seconds, { paths })
    points.push({ line: OURS, x, measure: ask(product.subject(OURS, callers)) })
    points.push({ line: NGINX, x, measure: ask(nginx) })
  }
  const lines = await inRounds(world, points)
  return [
    {
      ...{ name: 'routes', title: 'Requests a second, by routes' },
      ...{ x: 'routes', y: perSecond, lines },
    },
  ]
}

const prefixOf = (i: number) => `/api/v1/resource-${i}`

function addRoutes({ config }: Product, count: number): void {
  const file = join(config, 'BFF/config/routes.yaml')
  const more = Array.from(
    { length: count },
    (_, i) =>
      `  - { id: resource-${i}, path: ${prefixOf(i)}/*, target_service: analytics_service, auth: session }`,
  )
  writeFileSync(
    file,
    replace('\nroutes:\n', `\nroutes:\n${more.join('\n')}\n`)(readFileSync(file, 'utf8')),
  )
}

/** Open connections, of which at most 64 have a request under way, each in its turn. */
async function measureConnections(world: World): Promise<Plot[]> {
  const { options } = world
  const counts = [1, 10, 100, 1000, ...(options.quick ? [] : [10_000])].filter(
    (count) => count + 1000 < mostFiles(),
  )
  const subjects = await both(world)
  const points = counts.flatMap((x) =>
    subjects.map(([line, subject]) => ({
      ...{ line, x },
      measure: () =>
        rate(subject, options.seconds, { connections: x, underWay: Math.min(x, UNDER_WAY) }),
    })),
  )
  const lines = await inRounds(world, points)
  const weighed = []
  for (const [name, subject] of subjects) {
    const sizes = await measureIdle(subject, counts)
    const known = counts.flatMap((x, i) => {
      const kb = sizes[i]
      return kb === undefined ? [] : [{ x, y: kb / 1024 }]
    })
    weighed.push({ name, points: known })
  }
  return [
    {
      ...{ name: 'connections', title: 'Requests a second, by open connections' },
      ...{ x: 'connections', y: perSecond, lines },
    },
    {
      ...{ name: 'connections-memory', title: 'Memory, by idle connections' },
      ...{ x: 'idle connections', y: 'MiB resident', lines: weighed },
    },
  ]
}

/** One body at a time, each on a connection of its own, a small one many times. */
async function measureBodies(world: World): Promise<Plot[]> {
  const subjects = await both(world)
  const sizes = [0, 1e3, 1e4, 1e5, 1e6, 1e7, ...(world.options.quick ? [] : [1e8])]
  const ways = ['download', 'upload'] as const
  const points = ways.flatMap((way) =>
    sizes.flatMap((x) =>
      subjects.map(([name, subject]) => ({
        ...{ line: `${name}, ${way}`, x },
        measure: () => bodyMs(subject, way, x),
      })),
    ),
  )
  const lines = await inRounds(world, points)
  return ways.map((way) => ({
    ...{
      name: `bodies-${way}`,
      title: `${way === 'upload' ? 'An' : 'A'} ${way}, by size (at the left edge: an empty one)`,
    },
    ...{ x: 'bytes', y: 'milliseconds', logY: true },
    lines: lines.filter(({ name }) => name.endsWith(way)),
  }))
}

async function bodyMs(subject: Subject, way: 'download' | 'upload', bytes: number) {
  const times: number[] = []
  for (let i = bytes > 1e6 ? 1 : 20; i > 0; i--) times.push(await measureBody(subject, way, bytes))
  return median(times)
}

async function both({ t, backend, options }: World): Promise<[string, Subject][]> {
  const product = await startProduct(t, { backend })
  const callers: Caller[] = await product.signIn(Math.min(options.sessions, USERS))
  return [
    [OURS, product.subject(OURS, callers)],
    [NGINX, await plainNginx(t, backend, callers)],
  ]
}

async function rate(
  subject: Subject,
  seconds: number,
  how: { connections?: number; underWay?: number; paths?: string[] } = {},
): Promise<number> {
  const load = await measureLoad(subject, { connections: UNDER_WAY, seconds, ...how })
  return load.perSecond
}

/** Descriptors that a process may have. */
function mostFiles(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
}
