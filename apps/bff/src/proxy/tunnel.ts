import type { Socket } from 'node:net'
import { closeFrame, FrameReader } from './frames.ts'

/** How long nothing may move once one side has ended. */
const LINGER_MS = 2_000
/** How long the browser may take to close once it was told to. */
const CLOSE_MS = 1_000
/** When a silent peer is asked whether it is still there: some go without a word. */
const KEEP_ALIVE_MS = 60_000

/**
 * Joins the browser's connection with the backend's: bytes pass as they come, each side as fast as
 * the other reads, and when one is over the other ends, too.
 *
 * @param onData is called when the browser sends a frame with data.
 * @returns closes the browser's side with a WebSocket close frame and drops the backend's.
 */
export function joinSockets(
  browser: Socket,
  backend: Socket,
  onData: () => void,
): (code: number, reason: string) => void {
  const sent = new FrameReader()
  const received = new FrameReader()
  let closing = false
  const finish = () => {
    // A peer that keeps its half open, or reads nothing more, must not hold both connections.
    for (const socket of [browser, backend]) socket.setTimeout(LINGER_MS, () => socket.destroy())
  }
  for (const [from, to] of [
    [browser, backend],
    [backend, browser],
  ] as const) {
    from.setTimeout(0)
    from.setKeepAlive(true, KEEP_ALIVE_MS)
    from.on('error', () => {})
    // The browser may have ended its half before the backend agreed.
    if (from.readableEnded) finish()
    from.once('end', finish)
    from.once('close', () => {
      finish()
      // What is on its way to the other side still arrives.
      if (!closing) to.destroySoon()
    })
  }
  browser.on('data', (chunk: Buffer) => {
    if (received.read(chunk) && !closing) onData()
  })
  backend.on('data', (chunk: Buffer) => void sent.read(chunk))
  browser.pipe(backend)
  backend.pipe(browser)

  return (code, reason) => {
    if (closing) return
    closing = true
    backend.unpipe(browser)
    browser.unpipe(backend)
    backend.destroy()
    // Amid a frame it would be read as its payload: then the end of the connection must say it.
    if (!sent.free) {
      browser.destroy()
      return
    }
    browser.end(closeFrame(code, reason))
    // Unread bytes would turn our end into a reset, which can overtake the frame.
    browser.once('end', () => browser.destroy()).resume()
    const late = setTimeout(() => browser.destroy(), CLOSE_MS)
    browser.once('close', () => clearTimeout(late))
  }
}
