import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { AdminApi } from '../live/admin-api.ts'
import { accessFrom, LIVE_OPTIONS } from '../live/bff-url.ts'
import { createVisitor } from '../live/visitor.ts'
import { CouldNotRun, DONE } from '../outcome.ts'
import { paintFor } from '../report/paint.ts'
import { readScrape, type Scrape } from '../top/scrape.ts'
import { type Line, renderScreen } from '../top/screen.ts'
import { SORTS, type Sort, viewOf } from '../top/view.ts'

const OPTIONS = {
  ...LIVE_OPTIONS,
  once: { type: 'boolean', default: false },
  interval: { type: 'string', default: '1' },
  sort: { type: 'string', default: 'rate' },
} as const

/** Rates and latencies are over so many of the last answers. */
const WINDOW = 5
/** Longer, and the figures would be of another moment. */
const ANSWER_MS = 3000

/** `bridge top`: what a running BFF does, live; where nobody looks on, once. */
export async function topCommand(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS })
  const intervalMs = Number(values.interval) * 1000
  if (!(intervalMs >= 100 && intervalMs <= 3_600_000)) {
    throw new CouldNotRun(`--interval ${values.interval}: seconds, from 0.1 to 3600`)
  }
  const sort = SORTS.find((known) => known === values.sort)
  if (sort === undefined) throw new CouldNotRun(`--sort ${values.sort}: ${SORTS.join(', ')}`)
  const access = accessFrom(values, process.env)
  const api = new AdminApi(createVisitor(access.url, ANSWER_MS), access.token)
  const scrape = async () => readScrape(await api.metrics(), performance.now())
  const first = await scrape()
  const live = process.stdout.isTTY && process.stdin.isTTY && !values.once && !values.json
  if (live) return showLive({ url: access.url, scrape, first, sort, intervalMs })

  let before = first
  for (;;) {
    await pause(intervalMs)
    const now = await scrape()
    const view = viewOf(before, now)
    before = now
    if (values.json) process.stdout.write(`${JSON.stringify(view)}\n`)
    else
      process.stdout.write(asText(renderScreen(view, { url: access.url, sort, now: Date.now() })))
    if (values.once || !values.json) return DONE
  }
}

const paint = paintFor(process.stdout)
const LOOKS = { head: paint.bold, faint: paint.faint, bad: paint.red }

const asText = (lines: readonly Line[], end = '\n') =>
  lines.map(({ text, look }) => `${look === undefined ? text : LOOKS[look](text)}${end}`).join('')

/** Ctrl-C and Ctrl-D, too: to a terminal in raw mode they are keys. */
const LEAVE = new Set(['q', '\x03', '\x04'])

interface Show {
  url: string
  scrape: () => Promise<Scrape>
  first: Scrape
  sort: Sort
  intervalMs: number
}

/** A screen of its own, until `q`; whatever ends it, the terminal is as it was. */
async function showLive({ url, scrape, first, intervalMs, ...given }: Show): Promise<number> {
  const { stdin, stdout } = process
  let { sort } = given
  const scrapes = [first]
  let view = viewOf(first, first)
  let trouble: string | undefined
  const draw = () => {
    const { columns, rows } = stdout
    const screen = { url, sort, trouble, keys: true, now: Date.now() }
    const lines = renderScreen(view, { ...screen, columns: columns || 80, rows: (rows || 24) - 1 })
    // From the corner, over what was there, so that nothing flickers.
    stdout.write(`\x1b[H${asText(lines, '\x1b[K\n')}\x1b[J`)
  }
  const over = new AbortController()
  const leave = () => over.abort()
  const keyPressed = (key: Buffer) => {
    for (const letter of key.toString().toLowerCase()) {
      if (LEAVE.has(letter)) return leave()
      if (letter === 's') sort = SORTS[(SORTS.indexOf(sort) + 1) % SORTS.length] ?? sort
    }
    draw()
  }
  const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of SIGNALS) process.on(signal, leave)
  stdout.on('resize', draw)
  stdin.setRawMode(true).on('data', keyPressed).on('end', leave).resume()
  stdout.write('\x1b[?1049h\x1b[?25l')
  try {
    draw()
    while (!over.signal.aborted) {
      await pause(intervalMs, undefined, { signal: over.signal }).catch(() => {})
      if (over.signal.aborted) break
      try {
        scrapes.push(await scrape())
        trouble = undefined
      } catch (cause) {
        if (!(cause instanceof CouldNotRun)) throw cause
        trouble = cause.message
      }
      scrapes.splice(0, scrapes.length - WINDOW - 1)
      const [before, now] = [scrapes[0], scrapes.at(-1)]
      if (before !== undefined && now !== undefined) view = viewOf(before, now)
      draw()
    }
  } finally {
    stdout.off('resize', draw)
    stdin.off('data', keyPressed).setRawMode(false).pause()
    for (const signal of SIGNALS) process.off(signal, leave)
    stdout.write('\x1b[?25h\x1b[?1049l')
  }
  return DONE
}
