import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { ask } from '../src/proxy/ask.ts'
import type { Exchange } from '../src/proxy/exchange.ts'
import { Group } from '../src/upstreams/group.ts'
import type { Groups } from '../src/upstreams/groups.ts'

async function timesSent(method: string, reason: string): Promise<number> {
  const bases = [new URL('https://127.0.0.1:1'), new URL('https://127.0.0.1:2')] as const
  const retries = { attempts: 1, ratio: 1, minimum: 10 }
  const rules = { breaker: undefined, slots: undefined, retries, health: undefined, slowStartMs: 0 }
  const groups = { of: () => new Map([['', new Group('', bases, rules)]]) } as unknown as Groups
  const exchange = { method, res: new EventEmitter(), bodyTaken: false } as unknown as Exchange
  let sent = 0
  await ask({ groups }, exchange, bases[0], async () => {
    sent++
    return { kind: 'tls', reason }
  })
  return sent
}

test('a POST whose answer is lost in a broken TLS record is not done twice', async () => {
  assert.equal(await timesSent('POST', 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC'), 1)
  assert.equal(await timesSent('POST', 'EPROTO'), 1)
  assert.equal(await timesSent('GET', 'EPROTO'), 2)
  // Of a handshake that failed nothing was sent.
  assert.equal(await timesSent('POST', 'CERT_HAS_EXPIRED'), 2)
})
