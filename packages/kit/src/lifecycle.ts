import type { Logger } from './log.ts'

/** How long a process may take to finish what it has begun (facts 2.12: drain ≤ 30 s). */
const DRAIN_MS = 30_000

/**
 * Runs `close` once on SIGINT or SIGTERM, then exits 0; exits 1 when it fails or takes over 30 s.
 * A second signal exits at once.
 */
export function closeOnSignal(log: Logger, close: () => Promise<void>): void {
  let closing = false
  const stop = (signal: NodeJS.Signals) => {
    if (closing) process.exit(1)
    closing = true
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), DRAIN_MS).unref()
    close().then(
      () => process.exit(0),
      (cause: unknown) => {
        log.error({ err: cause }, 'stop failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

/** Runs `handler` at each SIGHUP, the signal by which an administrator asks to read the files again. */
export function onHangup(handler: () => void): void {
  process.on('SIGHUP', handler)
}

/** Prints one clear line for a start that cannot go on, and exits 1. */
export function refuseStart(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
