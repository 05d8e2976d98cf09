import type { Channels } from '../session/channels.ts'
import type { Exchange, Passage } from './exchange.ts'

/** Most requests are over by then, and cost a timer. A session's end must show within a second. */
export const MOMENT_MS = 500

/**
 * Ends a request with its session, should it last: else a signed-out user would go on to read a
 * stream or a download that was begun before. With this process, only what has no end of its own.
 *
 * @param abort gives the backend's answer up, where its head is not here yet.
 * @returns what to call when the request is over.
 */
export function endWithSession(
  channels: Channels,
  exchange: Exchange,
  abort: () => void,
): () => void {
  let leave = () => {}
  const lasts = () => {
    leave = lastWithSession(channels, exchange, { abort, cut: () => cut(exchange) })
  }
  let timer: NodeJS.Timeout | undefined
  if (exchange.route?.route.streaming) lasts()
  else timer = setTimeout(lasts, MOMENT_MS)
  return () => {
    clearTimeout(timer)
    leave()
  }
}

/**
 * Says that a request lasts.
 *
 * @param ends `abort` where its answer has not begun, `cut` where it has.
 * @returns what to call when the request is over.
 */
export function lastWithSession(
  channels: Channels,
  passage: Passage,
  ends: { abort: () => void; cut: () => void },
): () => void {
  return channels.open(passage.session, (reason) => {
    if (reason === 'stopping') {
      if (isEndless(passage)) ends.cut()
      return
    }
    passage.sessionEnded = reason
    if (passage.res.headersSent) ends.cut()
    else ends.abort()
  })
}

/** A browser asks for it again by itself. */
const isEndless = ({ method, route, eventStream }: Passage) =>
  method === 'GET' && (eventStream || route?.route.streaming === true)

/** By a reset: where the end of the connection is that of the body, a clean one would say "whole". */
function cut({ res }: Exchange): void {
  if (res.socket) res.socket.resetAndDestroy()
  else res.destroy()
}
