import { useCallback } from 'react'
import { goTo, useSearch } from './address.ts'
import { type Range, readRange, writeRange } from './range.ts'

/** The time range, kept in the address so that a link and the back button carry it. */
export function useRange(): [Range, (range: Range) => void] {
  const search = useSearch()
  const change = useCallback((range: Range) => goTo(writeRange(window.location.search, range)), [])
  return [readRange(search), change]
}
