import { useCallback, useSyncExternalStore } from 'react'
import { type Range, readRange, writeRange } from './range.ts'

const CHANGED = 'rangechange'

/** The time range, kept in the address so that a link and the back button carry it. */
export function useRange(): [Range, (range: Range) => void] {
  const search = useSyncExternalStore(subscribe, () => window.location.search)
  const change = useCallback((range: Range) => {
    window.history.pushState(null, '', writeRange(window.location.search, range))
    window.dispatchEvent(new Event(CHANGED))
  }, [])
  return [readRange(search), change]
}

function subscribe(notify: () => void): () => void {
  window.addEventListener('popstate', notify)
  window.addEventListener(CHANGED, notify)
  return () => {
    window.removeEventListener('popstate', notify)
    window.removeEventListener(CHANGED, notify)
  }
}
