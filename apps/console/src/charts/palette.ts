import { useMemo, useSyncExternalStore } from 'react'

/** The stylesheet is the one home of colours; a canvas has to be told what they are now. */
const NAMES = ['ok', 'bad', 'warn', 'ink-3', 'line'] as const

export type Colour = (typeof NAMES)[number]
export type Palette = Record<Colour, string> & { font: string }

const dark = window.matchMedia('(prefers-color-scheme: dark)')

export function usePalette(): Palette {
  const snapshot = useSyncExternalStore(subscribe, read)
  return useMemo(() => JSON.parse(snapshot) as Palette, [snapshot])
}

function subscribe(notify: () => void): () => void {
  dark.addEventListener('change', notify)
  return () => dark.removeEventListener('change', notify)
}

/** As text, because a snapshot has to compare equal while nothing changed. */
function read(): string {
  const style = getComputedStyle(document.documentElement)
  const colours = NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])
  const font = getComputedStyle(document.body).fontFamily
  return JSON.stringify({ ...Object.fromEntries(colours), font })
}
