import { useMemo } from 'react'
import { formatBucket, formatCompact, formatCount, formatTick } from '../format.ts'
import type { Interval } from '../range.ts'
import { Chart, type ChartOption } from './chart.tsx'
import { type Colour, type Palette, usePalette } from './palette.ts'
import { tooltip } from './tooltip.ts'

/** `values` has one number for each bucket. */
export type Stack = { name: string; colour: Colour; values: readonly number[] }

type Props = {
  title: string
  starts: readonly string[]
  interval: Interval
  /** Lowest first: put what matters most on the base line, where heights can be compared. */
  stacks: readonly Stack[]
}

/** Counts over time; the legend carries the sums, so that colour is never the only clue. */
export function StackedBars({ title, starts, interval, stacks }: Props) {
  const palette = usePalette()
  const option = useMemo(
    () => barsOption(starts, interval, stacks, palette),
    [starts, interval, stacks, palette],
  )
  const sums = stacks.map(({ values }) => formatCount(values.reduce((sum, n) => sum + n, 0)))

  return (
    <figure className="figure">
      <figcaption>
        <h3>{title}</h3>
        <ul className="legend">
          {stacks.map((stack, i) => (
            <li key={stack.name}>
              <span className="swatch" data-colour={stack.colour} />
              {stack.name} <b>{sums[i]}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <Chart
        option={option}
        label={`${title}, one bar per ${interval}: ${stacks
          .map((stack, i) => `${stack.name.toLowerCase()} ${sums[i]}`)
          .join(', ')}`}
      />
    </figure>
  )
}

const still = window.matchMedia('(prefers-reduced-motion: reduce)')

function barsOption(
  starts: readonly string[],
  interval: Interval,
  stacks: readonly Stack[],
  palette: Palette,
): ChartOption {
  const text = { color: palette['ink-3'], fontFamily: palette.font, fontSize: 11 }
  const ticks = starts.map((start) => formatTick(start, interval, starts.length))

  return {
    animation: !still.matches,
    animationDuration: 350,
    animationDurationUpdate: 250,
    grid: { left: 0, right: 4, top: 8, bottom: 6, outerBoundsMode: 'same' },
    xAxis: {
      type: 'category',
      data: [...starts],
      axisLine: { lineStyle: { color: palette.line } },
      axisTick: { show: false },
      axisLabel: {
        ...text,
        interval: (index) => ticks[index] !== '',
        formatter: (_, index) => ticks[index] ?? '',
        hideOverlap: true,
        alignMinLabel: 'left',
        alignMaxLabel: 'right',
      },
    },
    yAxis: {
      type: 'value',
      splitNumber: 3,
      minInterval: 1,
      splitLine: { lineStyle: { color: palette.line } },
      axisLabel: { ...text, formatter: formatCompact },
    },
    tooltip: {
      trigger: 'axis',
      axisPointer: { type: 'shadow', shadowStyle: { color: palette['ink-3'], opacity: 0.12 } },
      confine: true,
      transitionDuration: 0,
      backgroundColor: 'transparent',
      borderWidth: 0,
      padding: 0,
      extraCssText: 'box-shadow: none',
      formatter: (hovered) => {
        const index = Array.isArray(hovered) ? hovered[0]?.dataIndex : hovered.dataIndex
        const start = index === undefined ? undefined : starts[index]
        if (index === undefined || start === undefined) return ''
        return tooltip(
          formatBucket(start, interval),
          stacks.toReversed().map((stack) => ({
            name: stack.name,
            value: formatCount(stack.values[index] ?? 0),
            colour: palette[stack.colour],
          })),
        )
      },
    },
    series: stacks.map((stack) => ({
      type: 'bar' as const,
      name: stack.name,
      stack: 'all',
      data: [...stack.values],
      color: palette[stack.colour],
      barCategoryGap: starts.length > 72 ? '12%' : '28%',
      barMaxWidth: 28,
      emphasis: { disabled: true },
    })),
  }
}
