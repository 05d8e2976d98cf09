import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { readOptions } from './gateway/options.ts'
import { provenance, publish, table } from './gateway/page.ts'
import { CORES, firstLine, has, moveAside, onCore, stop } from './gateway/process.ts'
import { drawPlot, type Plot } from './growth/plot.ts'
import { SCALES } from './growth/scales.ts'

/*
 * What a request costs as there is more of something: sessions, routes, connections, bytes of a body.
 * Prints tables, writes `.data/bench/growth.json` and a plot of each into `.data/bench/plots`, or with
 * UPDATE_DOCS=1 into `docs/plots` and the page. `--only sessions,routes` measures those alone.
 */

const options = readOptions({ rounds: 3, seconds: 2 })
process.setMaxListeners(0)
moveAside()
if (!has('nginx')) throw new Error('nginx is needed (Debian: apt-get install nginx)')
const progress = (line: string) =>
  process.stderr.write(`${Math.round(performance.now() / 1000)} s: ${line}\n`)
const plots: Plot[] = []
for (const [name, measure] of Object.entries(SCALES)) {
  const { only } = options
  if (only.length > 0 && !only.some((part) => name.includes(part))) continue
  progress(`${name}: starting`)
  const ends: (() => unknown)[] = []
  const t = { after: (end: () => unknown) => void ends.unshift(end) }
  try {
    const file = join(import.meta.dirname, 'gateway/upstream.ts')
    const upstream = onCore(CORES.others, process.execPath, [file])
    t.after(() => stop(upstream))
    const { port: backend } = await firstLine<{ port: number }>(upstream)
    plots.push(...(await measure({ t, backend, options, progress })))
  } finally {
    for (const end of ends) await end()
  }
}

const folder = join(ROOT, options.publish ? 'docs/plots' : '.data/bench/plots')
mkdirSync(folder, { recursive: true })
for (const plot of plots) writeFileSync(join(folder, `${plot.name}.svg`), drawPlot(plot))
mkdirSync(join(ROOT, '.data/bench'), { recursive: true })
writeFileSync(join(ROOT, '.data/bench/growth.json'), `${JSON.stringify(plots, null, 2)}\n`)
const sections = plots.map((plot) => {
  const xs = [...new Set(plot.lines.flatMap(({ points }) => points.map(({ x }) => x)))]
  const rows = xs.map((x) => ({
    [plot.x]: x,
    ...Object.fromEntries(
      plot.lines.map(({ name, points }) => [
        name,
        rounded(points.find((point) => point.x === x)?.y),
      ]),
    ),
  }))
  return `**${plot.title}** (${plot.y})\n\n![${plot.title}](plots/${plot.name}.svg)\n\n${table(rows)}`
})
process.stdout.write(`${sections.join('\n\n')}\n`)
if (options.publish) {
  const how = provenance(`medians of ${options.rounds} rounds, ${options.seconds} s of load each`)
  publish('growth', [how, ...sections].join('\n\n'))
}

function rounded(figure: number | undefined): number | undefined {
  return figure === undefined ? undefined : Number(figure.toPrecision(figure >= 1000 ? 6 : 3))
}
