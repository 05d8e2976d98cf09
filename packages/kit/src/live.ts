import { createHash } from 'node:crypto'
import type { Logger } from './log.ts'
import { type WatchOptions, watchFiles } from './watch.ts'

/** One reading of the configuration's files. */
export interface Reading<T> {
  /** Undefined when the files cannot be used: the value before stays in force. */
  value: T | undefined
  /** One line each, without secrets. Beside a value they are warnings. */
  faults: readonly string[]
}

/** What may be told about the configuration in force; free of secrets. */
export interface LiveStatus {
  version: string
  /** When the value in force was read; ISO 8601. */
  loaded_at: string
  /** The files on disk were refused: what is in force is older than they are. */
  refused: boolean
  /** Of the last reading. */
  faults: readonly string[]
}

export interface Live<T> {
  /** The value in force. A request takes it once and keeps to it, so that it never sees a mix. */
  current(): T
  readonly version: string
  status(): LiveStatus
  /** Reads the files now; resolves when the outcome is in force and reported. */
  reload(): Promise<LiveStatus>
  close(): void
}

export interface LiveOptions<T> {
  /** The reading with which the process started; its value is in force until the next. */
  first: Reading<T> & { value: T }
  /**
   * Reads the files anew and builds the value; may answer the value in force when nothing changed.
   * What it throws is a fault.
   */
  read(): Reading<T> | Promise<Reading<T>>
  /** Every file of the last reading, refused ones included: asked at each look at the disk. */
  paths(): readonly string[]
  log: Logger
  /** After each swap; `before` may still serve requests under way. */
  swapped?(now: T, before: T): void
  watch?: WatchOptions
}

/**
 * Keeps a value equal to the files it is read from. A reading takes effect whole, by one assignment,
 * or not at all. Readings never overlap; changes during one lead to exactly one more.
 */
export function createLive<T extends { version: string }>(options: LiveOptions<T>): Live<T> {
  const { read, paths, log, swapped } = options
  let value = options.first.value
  let loadedAt = new Date()
  let refused = false
  let faults = options.first.faults
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  let askedNext = false
  let closed = false

  const status = (): LiveStatus => ({
    version: value.version,
    loaded_at: loadedAt.toISOString(),
    refused,
    faults,
  })

  const readOnce = async (asked: boolean) => {
    const reading = await attempt(read)
    if (closed) return
    const { version } = value
    const news = reading.faults.join('\n') !== faults.join('\n')
    faults = reading.faults
    if (reading.value === undefined) {
      if (news || asked || !refused) log.error({ version, faults }, 'config refused')
      refused = true
      return
    }
    const before = value
    value = reading.value
    loadedAt = new Date()
    const changed = value.version !== version || news || refused
    refused = false
    if (changed || asked) log.info({ version: value.version, before: version }, 'config reloaded')
    if (changed && faults.length > 0) log.warn({ faults }, 'config has warnings')
    if (value !== before) swapped?.(value, before)
  }

  const reload = (asked: boolean): Promise<void> => {
    if (running === undefined) {
      running = readOnce(asked).finally(() => {
        running = undefined
      })
      return running
    }
    // The reading under way may have passed the file that changed just now.
    askedNext ||= asked
    next ??= running.then(() => {
      const wasAsked = askedNext
      next = undefined
      askedNext = false
      return reload(wasAsked)
    })
    return next
  }

  const watcher = watchFiles(paths, () => void reload(false), options.watch)
  // Closes the gap between the first reading, which nobody watched, and the watch.
  void reload(false)

  return {
    current: () => value,
    get version() {
      return value.version
    },
    status,
    async reload() {
      await reload(true)
      return status()
    },
    close() {
      closed = true
      watcher.close()
    },
  }
}

/** A short name for a content, the same for the same content. Never of secrets: they can be guessed. */
export function versionOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12)
}

async function attempt<T>(read: LiveOptions<T>['read']): Promise<Reading<T>> {
  try {
    // Not before the caller holds the live value: `read` may ask it for what is in force.
    await undefined
    return await read()
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    return { value: undefined, faults: text.split('\n') }
  }
}
