import assert from 'node:assert/strict'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { createGunzip } from 'node:zlib'
import { anomalousAccessPatternsResponse } from '@audience-bridge/contracts/analytics.ts'
import type { BridgeEvent } from '@audience-bridge/contracts/event.ts'
import { access } from './make.ts'
import { startWorld } from './world.ts'

/*
 * Labelled logons of a published data set (CMU's insider threat data, release 4.2), sent through the
 * public endpoint: all people with labels of scenario 1 (logons at unusual hours) and some without.
 * The data are not part of this project; without them the test is skipped.
 */

const DATA = new URL('../../../../shared/datasets/', import.meta.url)
const LOGONS = new URL('cert_r42_logon_to_2010-09.csv.gz', DATA)
const USERS = new URL('cert_r42_users.csv', DATA)
const OTHERS = 60

async function readLogons(): Promise<{ events: BridgeEvent[]; labelled: Set<string> }> {
  const roles = new Map(
    readFileSync(USERS, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',').slice(0, 2) as [string, string]),
  )
  const rows: string[][] = []
  const lines = createInterface({ input: createReadStream(LOGONS).pipe(createGunzip()) })
  for await (const line of lines) if (line.includes(',Logon,')) rows.push(line.split(','))

  const insiders = new Set(rows.filter((row) => row[7] === '1').map(([, subject = '']) => subject))
  const others = [...roles.keys()].filter((_, i) => i % Math.floor(roles.size / OTHERS) === 0)
  const chosen = new Set([...insiders, ...others])
  const labelled = new Set<string>()
  const events = rows.flatMap(([time = '', subject = '', service, , resource, , , label], i) => {
    if (!chosen.has(subject)) return []
    if (label === '1') labelled.add(`${subject} ${time.slice(0, 13)}`)
    const data = { subject, subject_roles: [roles.get(subject) ?? 'unknown'], service, resource }
    return [access(time, data as { subject: string }, { id: `logon-${i}` })]
  })
  return { events, labelled }
}

test('labelled logons of real habits rank high', {
  skip: existsSync(LOGONS) ? false : 'the labelled data set is not beside the project',
}, async () => {
  const END = Date.UTC(2010, 9, 1)
  const world = await startWorld(() => END)
  const { events, labelled } = await readLogons()
  for (let i = 0; i < events.length; i += 2500) {
    const { response } = await world.post(events.slice(i, i + 2500))
    assert.equal(response.status, 200)
  }
  const { body } = await world.get(
    '/api/v1/analytics/anomalous-access-patterns?from=2010-07-01T00:00:00Z&to=2010-10-01T00:00:00Z&min_score=0.7&limit=1000',
  )
  const { patterns, evaluated_events } = anomalousAccessPatternsResponse.parse(body)

  const top = patterns.slice(0, Math.round(evaluated_events * 0.02))
  const hours = new Set<string>()
  for (const { subject, first_at, last_at } of top) {
    for (let ms = Date.parse(first_at); ms <= Date.parse(last_at) + 3_599_999; ms += 3_600_000) {
      const hour = new Date(Math.min(ms, Date.parse(last_at))).toISOString().slice(0, 13)
      hours.add(`${subject} ${hour}`)
    }
  }
  const found = [...labelled].filter((hour) => hours.has(hour)).length
  assert.ok(
    found >= labelled.size * 0.75,
    `${found} of ${labelled.size} labelled hours are among the strangest 2 % (${top.length} of ${evaluated_events})`,
  )
})
