import { randomUUID } from 'node:crypto'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Subscribe } from './redis-connection.ts'
import { Heartbeat } from './redis-heartbeat.ts'
import type { RedisLink } from './redis-link.ts'
import { Reopener } from './redis-reopener.ts'
import type { StoreHearing, StoreNews } from './store.ts'

export const NEWS_CHANNEL = 'bff:news'

/** Sessions whose end has been told here, so that the second telling is left out; a bounded memory. */
const MAX_TOLD = 1000

/** What other processes do to the sessions, as Redis publishes it. */
export class RedisNews {
  readonly hearing: StoreHearing = {
    since: Number.POSITIVE_INFINITY,
    provenAt: Number.NEGATIVE_INFINITY,
  }
  readonly #subscription: Reopener<{ partial: boolean; close(): void }>
  readonly #listeners = new Set<(news: StoreNews) => void>()
  readonly #told = new Set<string>()

  constructor(link: RedisLink, subscribe: Subscribe, log: Logger) {
    const channel = `bff:alive:${randomUUID()}`
    const open = async (lost: (cause: Error) => void) => {
      let heartbeat: Heartbeat | undefined
      const hear = (message: string, from: string) => {
        if (from === channel) heartbeat?.hear(message)
        else this.#hear(message)
      }
      const subscription = await subscribe([NEWS_CHANNEL, channel], hear)(lost)
      heartbeat = new Heartbeat({ link, channel, hearing: this.hearing, lose: lost })
      const close = () => {
        heartbeat.stop()
        subscription.close()
      }
      return { partial: false, close }
    }
    this.#subscription = new Reopener({ open, log, what: 'the subscription to Redis' })
  }

  watch(listener: (news: StoreNews) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(news: StoreNews): void {
    if (news.kind === 'ended') {
      if (this.#told.has(news.id)) return
      this.#told.add(news.id)
      const [oldest] = this.#told
      if (this.#told.size > MAX_TOLD && oldest !== undefined) this.#told.delete(oldest)
    }
    for (const listener of this.#listeners) listener(news)
  }

  close(): void {
    this.#subscription.close()
  }

  #hear(message: string): void {
    const news = parseNews(message)
    if (news !== undefined) this.tell(news)
  }
}

/** @returns undefined for what is none: another version of this program may say more. */
function parseNews(message: string): StoreNews | undefined {
  let news: Partial<Record<string, unknown>>
  try {
    news = JSON.parse(message)
  } catch {
    return undefined
  }
  const { kind, id, reason, name } = news
  if (typeof id !== 'string') return undefined
  if (kind === 'ended' && typeof reason === 'string') return { kind, id, reason }
  if (kind === 'changed') return { kind, id }
  if (kind === 'released' && typeof name === 'string') return { kind, id, name }
  return undefined
}
