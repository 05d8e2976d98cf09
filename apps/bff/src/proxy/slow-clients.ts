import { hasBody } from './body.ts'
import type { Exchange } from './exchange.ts'

/** How often a body is looked at in `server.stall_seconds`. */
const LOOKS = 2
/** What of it must have come since the look before, unless we are the ones who do not take it. */
const LEAST_BYTES = 2048

/**
 * Cuts off a client that holds a connection of ours and one to a backend without using them: one that
 * reads nothing of its answer for `server.stall_seconds`, or sends next to nothing of its body.
 *
 * The attacks: slow read (a large answer, a closed window) and slow upload (a byte a minute), each some
 * thousand times. Whoever waits for us is not slow: a stream without events, a backend that thinks, one
 * that does not take the body.
 */
export function watchClient(exchange: Exchange): void {
  const { req, res, config, route } = exchange
  // An HTTP/2 stream is held to its own windows, and its connection is not its alone.
  if (req.httpVersionMajor !== 1 || exchange.upgrade !== undefined) return
  const { socket } = req
  const stallMs = config.bridge.settings.server.stall_seconds * 1000
  // Node sets its own between requests. Told after so long without a byte in either direction.
  socket.setTimeout(stallMs)
  res.on('timeout', () => {
    if (socket.writableLength > 0) socket.destroy()
  })
  // A streamed body may have nothing to say for as long as it likes.
  if (!hasBody(exchange) || route?.route.streaming) return
  const isHeld = () => !req.readableFlowing || req.readableLength >= req.readableHighWaterMark
  let before = socket.bytesRead
  let wasHeld = true
  let slow = 0
  const look = setInterval(() => {
    if (req.complete) return clearInterval(look)
    // Held for a part of the time says nothing either, nor does a single pause.
    const held = isHeld() || wasHeld
    slow = !held && socket.bytesRead - before < LEAST_BYTES ? slow + 1 : 0
    if (slow === LOOKS) socket.destroy()
    wasHeld = isHeld()
    before = socket.bytesRead
  }, stallMs / LOOKS)
  look.unref()
  res.once('close', () => clearInterval(look))
}
