import type { SessionNews } from './watch.ts'

/** What tabs of one origin tell each other. */
export type TabMessage =
  /** The session may have changed. */
  | { type: 'changed' }
  /** What the tab that listens has heard; nothing secret, and whatever it changes the BFF is asked for. */
  | { type: 'news'; news: SessionNews }
  /** This tab is about to leave for a login; of several, the lowest rank does. */
  | { type: 'leaving'; key: string; rank: number }

export interface Tabs {
  /** False where tabs cannot hear each other. */
  tell(message: TabMessage): boolean
  close(): void
}

export function joinTabs(name: string, hear: (message: TabMessage) => void): Tabs {
  if (typeof BroadcastChannel === 'undefined') return { tell: () => false, close() {} }
  const channel = new BroadcastChannel(name)
  channel.onmessage = ({ data }) => hear(data)
  return {
    tell(message) {
      channel.postMessage(message)
      return true
    },
    close: () => channel.close(),
  }
}
