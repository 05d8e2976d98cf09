import type { RedisLink } from './redis-link.ts'
import type { StoreHearing } from './store.ts'

const BEAT_MS = 250
/** What is not heard within this time is not heard: a reader waits a second for its proof. */
const LOST_MS = 700

/*
 * Whether a subscription works is shown from end to end: every 250 ms this process publishes a beat of
 * its own and hears it. What others published before a beat that is heard has been heard, too. In a
 * cluster each master must be shown to reach the subscription, because each publishes what ends there.
 */
export class Heartbeat {
  readonly #link: RedisLink
  readonly #channel: string
  readonly #hearing: StoreHearing
  readonly #lose: (cause: Error) => void
  readonly #timer: NodeJS.Timeout
  /** Those that not every node has been heard of, the oldest first. */
  #pending: { beat: number; sentAt: number }[] = []
  #sent = 0
  readonly #heard = new Map<string, number>()
  #anyHeard = 0
  /** Whose beats the last proof was of, as long as nothing has been missed since. */
  #proven: string | undefined

  /**
   * @param deps.hearing is kept up to date, from now on.
   * @param deps.lose called when no node is heard any more.
   */
  constructor(deps: {
    link: RedisLink
    channel: string
    hearing: StoreHearing
    lose: (cause: Error) => void
  }) {
    this.#link = deps.link
    this.#channel = deps.channel
    this.#hearing = deps.hearing
    this.#lose = deps.lose
    this.#hearing.since = performance.now()
    this.#timer = setInterval(() => this.#beat(), BEAT_MS)
    this.#timer.unref()
    this.#beat()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#hearing.since = Number.POSITIVE_INFINITY
  }

  /** @param message one of those that this heartbeat has published. */
  hear(message: string): void {
    const [text = '', node = ''] = message.split(' ')
    const beat = Number(text)
    const before = this.#heard.get(node)
    this.#heard.set(node, beat)
    this.#anyHeard = Math.max(this.#anyHeard, beat)
    // One was lost on the way, and with it whatever else was published then.
    if (before !== undefined && beat > before + 1) this.#proven = undefined
    this.#prove()
  }

  #prove(): void {
    const nodes = this.#link.nodes()
    if (nodes.length === 0) return
    const beat = Math.min(...nodes.map((node) => this.#heard.get(node) ?? 0))
    const proof = this.#pending.findLast((sent) => sent.beat <= beat)
    if (proof === undefined) return
    this.#pending = this.#pending.filter((sent) => sent.beat > beat)
    const names = [...nodes].sort().join(' ')
    // Nobody knows what a node published that came, went, or was cut off.
    if (this.#sent > 1 && this.#proven !== names) this.#hearing.since = performance.now()
    this.#proven = names
    this.#hearing.provenAt = proof.sentAt
  }

  #beat(): void {
    const now = performance.now()
    const late = this.#pending.findLast(({ sentAt }) => now - sentAt > LOST_MS)
    // What came while this process was busy is read first.
    if (late !== undefined) setImmediate(() => this.#judge(late.beat))
    const beat = ++this.#sent
    this.#pending.push({ beat, sentAt: now })
    for (const node of this.#link.nodes()) {
      this.#link.sendTo(node, ['PUBLISH', this.#channel, `${beat} ${node}`]).catch(() => {})
    }
  }

  #judge(late: number): void {
    if (!this.#pending.some(({ beat }) => beat === late)) return
    this.#proven = undefined
    this.#pending = this.#pending.filter(({ beat }) => beat > late)
    if (this.#anyHeard < late) {
      this.#lose(new Error(`Redis has not told what was published ${LOST_MS} ms ago`))
    }
  }
}
