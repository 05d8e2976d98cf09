/** A line of figures over how much there is of something. */
export interface Line {
  name: string
  points: readonly { x: number; y: number }[]
}

export interface Plot {
  /** Of the file. */
  name: string
  title: string
  x: string
  y: string
  /** The x axis always has powers of ten; so may the other. */
  logY?: boolean
  lines: readonly Line[]
}

const [WIDTH, HEIGHT] = [640, 320]
const AREA = { left: 72, right: 20, top: 56, bottom: 48 }
const COLOURS = ['#2f6fde', '#d9822b', '#3a9d5d', '#a04fbf']

/** As SVG, readable on a light and on a dark page. */
export function drawPlot({ title, x, y, logY = false, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points)
  const xs = scale(
    points.map((point) => point.x).filter((value) => value > 0),
    true,
  )
  const ys = scale(
    points.map((point) => point.y),
    logY,
  )
  const right = WIDTH - AREA.right
  const bottom = HEIGHT - AREA.bottom
  // Nothing at all has its place at the left edge.
  const atX = (value: number) => round(AREA.left + xs.share(value) * (right - AREA.left))
  const atY = (value: number) => round(bottom - ys.share(value) * (bottom - AREA.top))
  const text = (left: number, top: number, anchor: string, what: string) =>
    `<text x="${left}" y="${top}" text-anchor="${anchor}">${escaped(what)}</text>`
  const parts = [
    `<text x="${AREA.left}" y="20" class="title">${escaped(title)}</text>`,
    ...ys.ticks.flatMap((tick) => [
      `<path class="grid" d="M${AREA.left} ${atY(tick)}H${right}"/>`,
      text(AREA.left - 8, atY(tick) + 4, 'end', short(tick)),
    ]),
    ...xs.ticks.flatMap((tick) => [
      `<path class="grid" d="M${atX(tick)} ${AREA.top}V${bottom}"/>`,
      text(atX(tick), bottom + 18, 'middle', short(tick)),
    ]),
    text((AREA.left + right) / 2, HEIGHT - 8, 'middle', x),
    `<text transform="translate(16 ${(AREA.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>`,
    ...lines.flatMap(({ name, points: own }, i) => {
      const colour = COLOURS[i % COLOURS.length]
      const legend = AREA.left + i * 180
      return [
        `<path d="${own.map((p, j) => `${j === 0 ? 'M' : 'L'}${atX(p.x)} ${atY(p.y)}`).join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...own.map((p) => `<circle cx="${atX(p.x)}" cy="${atY(p.y)}" r="3.5" fill="${colour}"/>`),
        `<circle cx="${legend + 4}" cy="38" r="4" fill="${colour}"/>`,
        text(legend + 14, 42, 'start', name),
      ]
    }),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">
<style>
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600 }
.grid { stroke: #8b949e; stroke-opacity: .3 }
@media (prefers-color-scheme: dark) { text { fill: #9da7b3 } }
</style>
${parts.join('\n')}
</svg>
`
}

interface Scale {
  ticks: number[]
  /** Where a value is between both ends, 0 to 1. */
  share(value: number): number
}

/** Powers of ten, or round steps from nought. */
function scale(values: readonly number[], log: boolean): Scale {
  const most = Math.max(...values)
  if (log) {
    const first = Math.floor(Math.log10(Math.min(...values.filter((value) => value > 0))))
    const last = Math.max(first + 1, Math.ceil(Math.log10(most)))
    return {
      ticks: Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)),
      share: (value) => (value <= 0 ? 0 : (Math.log10(value) - first) / (last - first)),
    }
  }
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5].find((times) => times * power >= rough) ?? 10) * power
  const count = Math.ceil(most / step)
  return {
    ticks: Array.from({ length: count + 1 }, (_, i) => i * step),
    share: (value) => value / (count * step),
  }
}

const short = (value: number) =>
  value >= 1e6
    ? `${value / 1e6} M`
    : value >= 1e3
      ? `${value / 1e3} k`
      : String(Number(value.toPrecision(3)))

const round = (value: number) => Math.round(value * 10) / 10

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
