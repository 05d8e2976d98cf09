import { useEffect, useState } from 'react'

/** Below any sensible idle limit of a session. */
const UNATTENDED_MS = 10 * 60_000
const SIGNS_OF_LIFE = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

/**
 * False once nobody has touched the page for ten minutes. Every poll counts as activity to the
 * gateway, so a page that polls on an abandoned desk would keep its session alive past the idle
 * limit that exists for exactly that desk.
 */
export function useAttention(): boolean {
  const [attended, setAttended] = useState(true)

  useEffect(() => {
    let timer = window.setTimeout(abandon, UNATTENDED_MS)
    function abandon() {
      setAttended(false)
    }
    function notice() {
      window.clearTimeout(timer)
      timer = window.setTimeout(abandon, UNATTENDED_MS)
      setAttended(true)
    }
    for (const sign of SIGNS_OF_LIFE) window.addEventListener(sign, notice, { passive: true })
    return () => {
      window.clearTimeout(timer)
      for (const sign of SIGNS_OF_LIFE) window.removeEventListener(sign, notice)
    }
  }, [])

  return attended
}
