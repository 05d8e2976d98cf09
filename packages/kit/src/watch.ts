import { createHash } from 'node:crypto'
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'

/*
 * How a change is noticed. `fs.watch` on each file's directory (not on the file: a rename over it,
 * or the swap of a `..data` link by Kubernetes, leaves a watch on the file with the dead inode)
 * wakes a look at the files; a poll does the same where no event comes (network file systems, a
 * link into another directory, a directory that is not there yet, no inotify watches left). A look
 * is one `stat` a file; the content is read, and compared by digest, only when the stat moved or is
 * too young to be told from a second write of the same size within the same tick of the clock. A file
 * written anew with the same content is a change, too: in between, somebody may have read another.
 * Looks are synchronous: a few microseconds a file, and nothing can slip between two halves of one.
 */

export interface WatchOptions {
  /** Quiet time after the last change before `onChange`, so that a half-written file is rarely read. */
  debounceMs?: number
  /** How often the files are looked at when no event comes. */
  pollMs?: number
}

/** What one look at a file saw. */
interface Sight {
  /** What a write moves; a `chmod` does not. */
  written: string
  /** All that the content may have moved. */
  stat: string
  /** The stat may not change at the next write: the content must be compared. */
  young: boolean
  /** Digest of the content, or the reason why there is none. */
  content: string
}

/** Many events come for one save; they share a look. */
const GATHER_MS = 10
/** A file that never rests is reported all the same after this long. */
const LONGEST_WAIT_MS = 400
/** Coarsest clock among common file systems (FAT: 2 s), with a margin. */
const YOUNG_MS = 3_000

/**
 * Calls `onChange` soon after any of the files was written, however that was done: in
 * place, by rename, by deletion, by a link, by appearing. A change made while `onChange` runs is
 * reported again. A path that is new in `paths()` counts as a change, because nobody watched it when
 * it was read. Never keeps the process alive.
 *
 * @param paths asked at every look, so that the list may follow the configuration.
 */
export function watchFiles(
  paths: () => readonly string[],
  onChange: () => void,
  { debounceMs = 50, pollMs = 500 }: WatchOptions = {},
): { close(): void } {
  const directories = new Map<string, { identity: string; watcher: FSWatcher }>()
  let seen = new Map<string, Sight>()
  let gathering: NodeJS.Timeout | undefined
  let settling: NodeJS.Timeout | undefined
  let restlessSince: number | undefined

  /** Looks at every file; true when one of them changed since the last look. */
  const look = (): boolean => {
    const files = new Set(paths().map((path) => resolve(path)))
    // Watches first: what changes between the two steps is seen by one of them.
    followDirectories(new Set([...files].map((file) => dirname(file))))
    const now = new Map<string, Sight>()
    let changed = false
    for (const file of files) {
      const before = seen.get(file)
      const sight = lookAt(file, before)
      if (sight.content !== before?.content || sight.written !== before.written) changed = true
      now.set(file, sight)
    }
    seen = now
    return changed
  }

  const followDirectories = (wanted: ReadonlySet<string>) => {
    for (const [directory, { identity, watcher }] of directories) {
      // A directory that was replaced has another identity; its old watch is deaf.
      if (wanted.has(directory) && identityOf(directory) === identity) continue
      watcher.close()
      directories.delete(directory)
    }
    for (const directory of wanted) {
      if (directories.has(directory)) continue
      const identity = identityOf(directory)
      if (identity === undefined) continue
      const watcher = watchDirectory(directory, noticed)
      if (watcher !== undefined) directories.set(directory, { identity, watcher })
    }
  }

  const noticed = (name: string | null) => {
    // Other files of a busy directory (a database) are none of our business.
    const ours = name === null || name.startsWith('..') || names(seen).has(name)
    if (!ours || gathering !== undefined) return
    gathering = setTimeout(() => {
      gathering = undefined
      if (look()) wait()
    }, GATHER_MS).unref()
  }

  const wait = () => {
    restlessSince ??= performance.now()
    if (performance.now() - restlessSince >= LONGEST_WAIT_MS) return report()
    clearTimeout(settling)
    settling = setTimeout(() => (look() ? wait() : report()), debounceMs).unref()
  }

  const report = () => {
    clearTimeout(settling)
    restlessSince = undefined
    onChange()
  }

  look()
  const poll = setInterval(() => {
    if (look()) wait()
  }, pollMs).unref()

  return {
    close() {
      clearInterval(poll)
      clearTimeout(gathering)
      clearTimeout(settling)
      for (const { watcher } of directories.values()) watcher.close()
      directories.clear()
    },
  }
}

function names(seen: ReadonlyMap<string, Sight>): Set<string> {
  return new Set([...seen.keys()].map((file) => basename(file)))
}

/** Undefined when the system grants no watch: the poll serves alone. */
function watchDirectory(
  directory: string,
  noticed: (name: string | null) => void,
): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, (_, name) => noticed(name))
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

function lookAt(file: string, before: Sight | undefined): Sight {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    const written = [dev, ino, size, mtimeNs].join()
    const stat = `${written},${ctimeNs}`
    const age = Date.now() - Number(ctimeNs / 1_000_000n)
    const young = Math.abs(age) < YOUNG_MS
    if (before?.stat === stat && !before.young) return before
    const content = createHash('sha256').update(readFileSync(file)).digest('base64')
    return { written, stat, young, content }
  } catch (cause) {
    return { written: '', stat: '', young: true, content: `unreadable: ${codeOf(cause)}` }
  }
}

function identityOf(directory: string): string | undefined {
  const stat = statSync(directory, { bigint: true, throwIfNoEntry: false })
  return stat?.isDirectory() ? `${stat.dev}:${stat.ino}` : undefined
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
}
