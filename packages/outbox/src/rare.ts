/**
 * Calls `report` at once and then at most once in `everyMs`, with the number of times that it was
 * asked for since it last ran: a broken disk or receiver must not flood the log.
 */
export function rarely(everyMs: number, report: (times: number) => void): (times?: number) => void {
  let last = Number.NEGATIVE_INFINITY
  let pending = 0
  return (times = 1) => {
    pending += times
    const now = performance.now()
    if (now - last < everyMs) return
    last = now
    report(pending)
    pending = 0
  }
}
