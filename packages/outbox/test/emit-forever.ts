import { createLog } from '@audience-bridge/kit/log.ts'
import { createOutbox } from '../src/outbox.ts'
import { accessEvent } from './receiver.ts'

/** A process to kill: emits `count` events, says `written` once all are on disk, and lingers. */
const [path = '', url = '', count = '0'] = process.argv.slice(2)
const outbox = createOutbox({
  path,
  url,
  source: 'urn:test',
  token: async () => 'a-token',
  log: createLog('emit-forever', 'silent'),
})
for (let i = 0; i < Number(count); i++) outbox.emit(accessEvent(`/killed/${i}`))
const poll = setInterval(() => {
  if (outbox.stats().queuedEvents < Number(count)) return
  clearInterval(poll)
  process.stdout.write('written\n')
}, 5)
setInterval(() => undefined, 1_000)
