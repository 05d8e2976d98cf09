export interface Line {
  name: string
  /** Both above 0: the axes are logarithmic. */
  points: readonly (readonly [x: number, y: number])[]
}

const [WIDTH, HEIGHT] = [640, 300]
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 190, 34, 46]
/** Told apart by those who see no colours, too: by dash. */
const STYLES = ['#1f6feb', '#8250df" stroke-dasharray="6 4', '#bf5b00" stroke-dasharray="2 3']

/** Lines over two logarithmic axes, as an SVG that reads on light and dark pages. */
export function plot(title: string, x: string, y: string, lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points)
  const [xs, ys] = [all.map(([value]) => value), all.map(([, value]) => value)]
  const across = axis(xs, LEFT, WIDTH - RIGHT)
  const up = axis(ys, HEIGHT - BOTTOM, TOP)
  const ticks = [
    ...across.ticks.map(
      (value) =>
        `<text x="${across.at(value)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(value)}</text>`,
    ),
    ...up.ticks.map(
      (value) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${up.at(value)}" y2="${up.at(value)}" stroke="#8888" /><text x="${LEFT - 8}" y="${up.at(value) + 4}" text-anchor="end">${short(value)}</text>`,
    ),
  ]
  const drawn = lines.map(({ name, points }, i) => {
    const style = STYLES[i % STYLES.length]
    const path = points.map(([a, b]) => `${across.at(a)},${up.at(b)}`).join(' ')
    const dots = points
      .map(
        ([a, b]) =>
          `<circle cx="${across.at(a)}" cy="${up.at(b)}" r="3" fill="${style?.slice(0, 7)}" />`,
      )
      .join('')
    const legend = TOP + 20 * i + 8
    return `<polyline points="${path}" fill="none" stroke-width="2" stroke="${style}" />${dots}<line x1="${WIDTH - RIGHT + 12}" x2="${WIDTH - RIGHT + 36}" y1="${legend}" y2="${legend}" stroke-width="2" stroke="${style}" /><text x="${WIDTH - RIGHT + 42}" y="${legend + 4}">${name}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
<style>text { font: 12px sans-serif; fill: #59636e } .title { font-weight: bold }</style>
<text class="title" x="${LEFT}" y="18">${title}</text>
<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${x}</text>
<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${y}</text>
${[...ticks, ...drawn].join('\n')}
</svg>
`
}

/** From the power of ten below the least to that above the most. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))
  const at = (value: number) =>
    Math.round((from + ((Math.log10(value) - low) / (high - low)) * (to - from)) * 10) / 10
  return { at, ticks }
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`
  return value >= 1000 ? `${value / 1000} k` : String(Number(value.toPrecision(3)))
}
