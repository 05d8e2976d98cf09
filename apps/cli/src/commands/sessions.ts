import { parseArgs } from 'node:util'
import type { AdminSession } from '@audience-bridge/contracts/session.ts'
import { AdminApi, type SessionFilter } from '../live/admin-api.ts'
import { accessFrom, LIVE_OPTIONS } from '../live/bff-url.ts'
import { renderTable } from '../live/table.ts'
import { createVisitor } from '../live/visitor.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'

const OPTIONS = {
  ...LIVE_OPTIONS,
  user: { type: 'string' },
  sid: { type: 'string' },
} as const

/**
 * `bridge sessions`: who is signed in; `bridge sessions end`: signs out one session, a user, or a session
 * at the IdP. Exit 1 when there was nothing to end.
 */
export async function sessionsCommand(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true })
  const [verb, id, ...more] = positionals
  const { user, sid } = values
  const filters = [id, user, sid].filter((value) => value !== undefined)
  if ((verb !== undefined && verb !== 'end') || more.length > 0 || filters.length > 1) {
    throw new CouldNotRun(
      'sessions [--user SUB | --sid SID], or sessions end ID | --user SUB | --sid SID',
    )
  }
  const access = accessFrom(values, process.env)
  const api = new AdminApi(createVisitor(access.url), access.token)
  const filter: SessionFilter =
    user !== undefined ? { user } : sid !== undefined ? { sid } : id !== undefined ? { id } : {}
  if (verb !== undefined) {
    if (filters.length === 0) throw new CouldNotRun('say which: ID, --user SUB or --sid SID')
    const ended = await api.endSessions(filter)
    const text = `${ended} ${ended === 1 ? 'session' : 'sessions'} ended`
    process.stdout.write(values.json ? `${JSON.stringify({ ended })}\n` : `${text}\n`)
    return ended > 0 ? DONE : FAULTS_FOUND
  }
  const listed = await api.sessions(filter)
  const text = values.json ? `${JSON.stringify(listed, null, 2)}\n` : render(listed)
  process.stdout.write(text)
  return DONE
}

function render({ sessions, count }: { sessions: AdminSession[]; count: number }): string {
  const minute = (time: string) => time.slice(0, 16).replace('T', ' ')
  const rows = sessions
    .toSorted((a, b) => b.seen_at.localeCompare(a.seen_at))
    .map((one) => [
      ...[one.sub, one.agent ?? '', minute(one.created_at), minute(one.seen_at)],
      ...[minute(one.expires_at), one.id],
    ])
  const heads = ['user', 'browser', 'since (UTC)', 'last seen', 'ends', 'id']
  if (rows.length === 0) return 'nobody is signed in\n'
  const shown = rows.length === count ? '' : `${rows.length} of `
  return `${renderTable(heads, rows)}\n${shown}${count} ${count === 1 ? 'session' : 'sessions'}\n`
}
