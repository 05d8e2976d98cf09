import type { RedisArgument } from './redis-connection.ts'
import { COUNT, LIST, PAGE } from './redis-scripts.ts'
import type { SessionKey } from './store.ts'

export type RunScript = (
  script: string,
  keys: [string, ...string[]],
  values: RedisArgument[],
) => Promise<unknown>

/*
 * Where sessions are listed: sorted sets of ids by their hard limit, one for each user and each session
 * at the IdP, and 256 by the first byte of the id for all of them. They lie in other slots than the
 * sessions, and so are written before, read with a look at the session itself, and may name what is
 * gone. They expire with the last that they name.
 */
const BUCKETS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))
/** So many are asked at once. */
const AT_ONCE = 32

const bucketKey = (bucket: string) => `bff:all:{${bucket}}`
const indexKey = ({ kind, hash }: SessionKey) => `bff:${kind}:{${hash}}`

export const indexKeys = (id: string, keys: readonly SessionKey[]): string[] => [
  bucketKey(id.slice(0, 2)),
  ...keys.map(indexKey),
]

export async function addToIndex(
  run: RunScript,
  id: string,
  keys: readonly string[],
  expiresAt: number,
): Promise<void> {
  const now = String(Math.floor(Date.now() / 1000))
  await Promise.all(keys.map((key) => run(LIST, [key], [id, String(expiresAt), now])))
}

export async function countIndex(run: RunScript): Promise<number> {
  const now = String(Math.floor(Date.now() / 1000))
  const counts = await Promise.all(BUCKETS.map((bucket) => run(COUNT, [bucketKey(bucket)], [now])))
  return counts.reduce<number>((sum, count) => sum + Number(count), 0)
}

interface IndexPage {
  ids: string[]
  next?: string
}

/** A cursor is `BUCKET:SCORE:ID`, without a bucket for a user or a session at the IdP. */
export async function readIndex(
  run: RunScript,
  by: SessionKey | 'all',
  { limit, after = '' }: { limit: number; after?: string },
): Promise<IndexPage> {
  if (by !== 'all') {
    const entries = await readPage(run, indexKey(by), limit, after)
    return pageOf(entries, entries.length === limit)
  }
  const from = BUCKETS.indexOf(after === '' ? '00' : after.slice(0, 2))
  const entries: Entry[] = []
  // A cursor that is none of ours begins after the last.
  for (let at = from < 0 ? BUCKETS.length : from; at < BUCKETS.length; at += AT_ONCE) {
    const buckets = BUCKETS.slice(at, at + AT_ONCE)
    const pages = await Promise.all(
      buckets.map(async (bucket) => {
        const cursor = bucket === BUCKETS[from] ? after.slice(3) : ''
        const page = await readPage(run, bucketKey(bucket), limit - entries.length, cursor)
        return page.map(({ id, cursor }) => ({ id, cursor: `${bucket}:${cursor}` }))
      }),
    )
    entries.push(...pages.flat())
    if (entries.length >= limit) return pageOf(entries.slice(0, limit), true)
  }
  return pageOf(entries, false)
}

interface Entry {
  id: string
  cursor: string
}

async function readPage(
  run: RunScript,
  key: string,
  limit: number,
  after: string,
): Promise<Entry[]> {
  const [, score = '', last = ''] = /^(\d+):(.*)$/.exec(after) ?? []
  const flat = (await run(PAGE, [key], [String(limit), score, last])) as Buffer[]
  const entries: Entry[] = []
  for (let at = 0; at < flat.length; at += 2) {
    const [id, score] = flat.slice(at, at + 2).map(String)
    if (id !== undefined) entries.push({ id, cursor: `${score}:${id}` })
  }
  return entries
}

function pageOf(entries: readonly Entry[], more: boolean): IndexPage {
  const ids = entries.map(({ id }) => id)
  const last = more ? entries.at(-1) : undefined
  return last === undefined ? { ids } : { ids, next: last.cursor }
}
