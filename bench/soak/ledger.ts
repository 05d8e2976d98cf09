/** An explanation may take so long to be there. */
const EXPLAINED_MS = 5_000

/** What passes after the head of an answer, or before it: a backend that dies cannot take it back. */
const HAS_BODY = new Set(['download', 'stream', 'upload', 'chunked'])

/** What happened, and whether it was to be expected. */
export class Ledger {
  readonly counts = new Map<string, number>()
  readonly faults: string[] = []
  readonly #outages: { from: number; to: number }[] = []
  readonly #explain: (id: string) => Promise<string | undefined>
  /** What follows an outage is still of it: connections that were opened to nobody. */
  readonly #graceMs: number

  /** @param explain the problem that the gateway remembers of a request. */
  constructor(explain: (id: string) => Promise<string | undefined>, graceMs: number) {
    this.#explain = explain
    this.#graceMs = graceMs
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  fault(what: string): void {
    this.count('unexplained')
    // The first ones tell; an hour of the same would fill the disk.
    if (this.faults.length < 50) this.faults.push(`${new Date().toISOString()} ${what}`)
  }

  /** @returns what to call when it is over. */
  outage(): () => void {
    const window = { from: performance.now(), to: Infinity }
    this.#outages.push(window)
    return () => {
      window.to = performance.now() + this.#graceMs
    }
  }

  /** Whether the backend was away at some time since. */
  wasAway(since: number): boolean {
    const now = performance.now()
    return this.#outages.some(({ from, to }) => from <= now && to >= since)
  }

  /**
   * An answer is good, or a problem that was to be expected and that the gateway can explain.
   *
   * @param expected codes that may come here at any time.
   */
  async judge(
    what: string,
    began: number,
    response: Response,
    expected: readonly string[] = [],
  ): Promise<boolean> {
    if (response.ok) {
      this.count(what)
      return true
    }
    const id = response.headers.get('x-correlation-id') ?? ''
    const text = await response.text()
    const code = problemIn(text)
    const ofOutage = code?.startsWith('UPSTREAM_') === true && this.wasAway(began)
    this.count(`${what}: ${code ?? response.status}`)
    if (code === undefined || !(ofOutage || expected.includes(code))) {
      this.fault(`${what}: ${response.status} ${text.slice(0, 300)}`)
      return false
    }
    // What one worker has seen the others read a moment later.
    const looked = performance.now()
    let explained = await this.#explain(id)
    while (explained === undefined && performance.now() - looked < EXPLAINED_MS) {
      explained = await this.#explain(id)
    }
    if (explained !== code) this.fault(`${what}: ${code} is explained as ${explained} (${id})`)
    return false
  }

  /** A connection that broke: only amid a body, and while its backend was away. */
  broke(what: string, began: number, cause: unknown): void {
    if (HAS_BODY.has(what) && this.wasAway(began)) return this.count(`${what}: cut off`)
    const why = cause instanceof Error ? String(cause.cause ?? cause.stack) : ''
    this.fault(`${what}: ${String(cause)} ${why}`)
  }
}

function problemIn(text: string): string | undefined {
  try {
    const { code } = JSON.parse(text) as { code?: unknown }
    return typeof code === 'string' ? code : undefined
  } catch {
    return undefined
  }
}
