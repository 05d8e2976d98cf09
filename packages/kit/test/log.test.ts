import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeLine } from '@audience-bridge/kit/log.ts'
import { pino } from 'pino'

function openLog(level: string) {
  const lines: string[] = []
  const log = pino(
    {
      level,
      messageKey: 'message',
      base: { service: 'x' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void lines.push(line) },
  )
  return { log, lines }
}

test('a line of fields that are JSON already is as the log itself writes it', (t) => {
  t.mock.timers.enable({ apis: ['Date'] })
  const { log, lines } = openLog('info')
  for (const now of [0, 7, 999, 1000, 1_700_000_000_090, 5]) {
    t.mock.timers.setTime(now)
    writeLine(log, '"path":"/a","status":200,"message":"GET /a 200"')
    log.info({ path: '/a', status: 200 }, 'GET /a 200')
    const [ours, its] = lines.splice(0)
    assert.equal(ours, its)
  }
})

test('below the level of the log no line is written', () => {
  const { log, lines } = openLog('warn')
  writeLine(log, '"path":"/a"')
  assert.deepEqual(lines, [])
})
