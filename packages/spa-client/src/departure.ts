import type { Tabs } from './tabs.ts'

/** For this long nothing leaves by itself a second time for the same reason. */
const QUIET_MS = 60_000
/** How long tabs that want to leave at the same moment listen for each other. */
const ELECTION_MS = 50
const MARK = 'audience-bridge:'

export interface DepartureHost {
  navigate(url: string): void
  now(): number
  /** Whether somebody may be looking. */
  isVisible(): boolean
  /** What outlives the page while the tab lives. */
  storage(): Pick<Storage, 'getItem' | 'setItem'>
  /** After this long a page that is still here was kept: by its `beforeunload`, or by going back. */
  stayMs: number
}

export interface Departures {
  /**
   * Leaves for `url` unless that was tried of late or another tab does it; one at a time, and whoever
   * wants to leave meanwhile waits for the same. It resolves only if the page stays.
   *
   * @param key the reason: each leaves once a minute at most.
   * @param ask is asked before; `false` keeps the page.
   */
  leave(key: string, url: string, ask: () => unknown): Promise<void>
  hear(claim: { key: string; rank: number }): void
  /** Somebody is signed in again: what other tabs set out for is done. */
  settled(): void
  close(): void
}

/**
 * Leaving the page without being asked to. The danger is a page and a login that send a person to and
 * fro for ever; so each departure is marked in storage that outlives it, and without a mark nobody
 * leaves. A hidden tab never does: it would wait at a login that nobody sees.
 */
export function createDepartures(host: DepartureHost, tabs: () => Tabs): Departures {
  const claims = new Map<string, number>()
  let going: Promise<void> | undefined
  let mine: { key: string; rank: number; isBeaten: boolean } | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    })
  const isRecent = (time: number) => Math.abs(host.now() - time) < QUIET_MS

  /** Whether this tab left for `key` of late, or another set out to. */
  const isTried = (key: string) =>
    isRecent(claims.get(key) ?? Number.NaN) || isRecent(Number(host.storage().getItem(MARK + key)))

  async function go(key: string, url: string, ask: () => unknown): Promise<void> {
    if (!host.isVisible() || isTried(key) || (await ask()) === false || isTried(key)) return
    host.storage().setItem(MARK + key, String(host.now()))
    mine = { key, rank: Math.random(), isBeaten: false }
    if (tabs().tell({ type: 'leaving', key, rank: mine.rank })) await wait(ELECTION_MS)
    const { isBeaten } = mine
    mine = undefined
    if (isBeaten) return
    host.navigate(url)
    await wait(host.stayMs)
  }

  return {
    leave(key, url, ask) {
      going ??= go(key, url, ask).finally(() => {
        going = undefined
      })
      return going
    },
    hear({ key, rank }) {
      claims.set(key, host.now())
      if (mine?.key === key && rank < mine.rank) mine.isBeaten = true
    },
    settled: () => claims.clear(),
    close: () => clearTimeout(timer),
  }
}
