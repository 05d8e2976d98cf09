import { Counter, Histogram, type Registry } from 'prom-client'

/*
 * Counters and histograms for what happens with every request. prom-client hashes the labels of each
 * observation, which costs more than the rest of the accounting; here a name is a look-up, and what
 * prom-client would show is made when somebody asks for it.
 */

interface TallyOptions {
  name: string
  help: string
  /** At most three. */
  labelNames: readonly string[]
  registers: Registry[]
}

type Label = string | number

/** One cell for each combination of labels that has come by. */
class Cells<Cell> {
  readonly #make: () => Cell
  readonly #byFirst = new Map<Label, Map<Label, Map<Label, Cell>>>()

  constructor(make: () => Cell) {
    this.#make = make
  }

  of(a: Label, b: Label, c: Label): Cell {
    return this.#byFirst.get(a)?.get(b)?.get(c) ?? this.#add(a, b, c)
  }

  #add(a: Label, b: Label, c: Label): Cell {
    const cell = this.#make()
    const byFirst = this.#byFirst.get(a) ?? new Map<Label, Map<Label, Cell>>()
    const bySecond = byFirst.get(b) ?? new Map<Label, Cell>()
    this.#byFirst.set(a, byFirst.set(b, bySecond.set(c, cell)))
    return cell
  }

  *entries(names: readonly string[]): Iterable<[labels: Record<string, Label>, cell: Cell]> {
    for (const [a, byFirst] of this.#byFirst) {
      for (const [b, bySecond] of byFirst) {
        for (const [c, cell] of bySecond) {
          const values = [a, b, c]
          yield [Object.fromEntries(names.map((name, i) => [name, values[i] ?? ''])), cell]
        }
      }
    }
  }
}

export class TallyCounter {
  readonly #cells = new Cells(() => ({ count: 0 }))

  constructor({ labelNames, ...rest }: TallyOptions) {
    const cells = this.#cells
    new Counter({
      ...rest,
      labelNames: [...labelNames],
      collect() {
        this.reset()
        for (const [labels, { count }] of cells.entries(labelNames)) this.inc(labels, count)
      },
    })
  }

  add(a: Label, b: Label = '', c: Label = ''): void {
    this.#cells.of(a, b, c).count++
  }
}

export class TallyHistogram {
  readonly #cells: Cells<{ counts: Float64Array; sum: number }>
  readonly #bounds: readonly number[]

  constructor(options: TallyOptions & { buckets: readonly number[] }) {
    const bounds = options.buckets
    const cells = new Cells(() => ({ counts: new Float64Array(bounds.length + 1), sum: 0 }))
    this.#bounds = bounds
    this.#cells = cells
    new ShownHistogram(options, () =>
      [...cells.entries(options.labelNames)].flatMap(([labels, { counts, sum }]) => {
        let count = 0
        const buckets = Array.from(counts, (more, i) => {
          count += more
          return {
            metricName: `${options.name}_bucket`,
            labels: { le: bounds[i] ?? '+Inf', ...labels },
            value: count,
          }
        })
        return [
          ...buckets,
          { metricName: `${options.name}_sum`, labels, value: sum },
          { metricName: `${options.name}_count`, labels, value: count },
        ]
      }),
    )
  }

  add(value: number, a: Label, b: Label = ''): void {
    const cell = this.#cells.of(a, b, '')
    cell.sum += value
    let i = 0
    for (const bound of this.#bounds) {
      if (value <= bound) break
      i++
    }
    cell.counts[i] = (cell.counts[i] ?? 0) + 1
  }
}

type Shown = Awaited<ReturnType<Histogram['get']>>

/** A histogram as prom-client shows it, whose values are kept elsewhere. */
class ShownHistogram extends Histogram {
  readonly #values: () => Shown['values']
  /** Says what of a histogram is not its values. */
  readonly #empty: Histogram

  constructor({ name, help, labelNames, registers }: TallyOptions, values: () => Shown['values']) {
    const options = { name, help, labelNames: [...labelNames] }
    super({ ...options, registers })
    this.#empty = new Histogram({ ...options, registers: [] })
    this.#values = values
  }

  override async get(): Promise<Shown> {
    return { ...(await this.#empty.get()), values: this.#values() }
  }

  /** What the registry asks for its text. */
  getForPromString(): Promise<Shown> {
    return this.get()
  }
}
