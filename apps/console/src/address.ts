import { useSyncExternalStore } from 'react'

const CHANGED = 'addresschange'

/** The query string of the address: what the page shows is kept there, for links and the back button. */
export function useSearch(): string {
  return useSyncExternalStore(subscribe, () => window.location.search)
}

/** Another address within this page, without loading it. */
export function goTo(href: string): void {
  window.history.pushState(null, '', href)
  window.dispatchEvent(new Event(CHANGED))
}

function subscribe(notify: () => void): () => void {
  window.addEventListener('popstate', notify)
  window.addEventListener(CHANGED, notify)
  return () => {
    window.removeEventListener('popstate', notify)
    window.removeEventListener(CHANGED, notify)
  }
}
