import type { Logger } from './log.ts'

/**
 * Runs `close` once on SIGINT or SIGTERM, then exits 0; exits 1 when it fails or takes too long. A
 * second signal exits at once.
 *
 * @param limitSeconds how long it may take.
 * @param options `patient`: a second signal changes nothing; the parent decides, and signals to a whole
 * group reach both.
 * @returns what does the same without a signal, however often.
 */
export function closeOnSignal(
  log: Logger,
  close: () => Promise<void>,
  limitSeconds: () => number = () => 30,
  { patient = false }: { patient?: boolean } = {},
): () => void {
  let closing = false
  const stop = (signal?: NodeJS.Signals) => {
    if (closing) return
    closing = true
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), limitSeconds() * 1000).unref()
    close().then(
      () => process.exit(0),
      (cause: unknown) => {
        log.error({ err: cause }, 'stop failed')
        process.exit(1)
      },
    )
  }
  const insist = (signal: NodeJS.Signals) => {
    if (closing) process.exit(1)
    stop(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, patient ? stop : insist)
  return stop
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
