import assert from 'node:assert/strict'
import test from 'node:test'
import { clientAddress, trustedProxies } from '../src/proxies.ts'

test('the address of a client', async (t) => {
  const isTrusted = trustedProxies(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'])
  const cases: [name: string, peer: string, forwardedFor: string | undefined, address: string][] = [
    ['is the peer', '203.0.113.7', undefined, '203.0.113.7'],
    ['is the peer whatever he writes', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
    ['is what a trusted proxy names', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['is read through all of them', '10.1.2.3', '198.51.100.1, 192.0.2.1', '198.51.100.1'],
    [
      'is never what a client wrote',
      '10.1.2.3',
      '1.1.1.1, 198.51.100.1, 192.0.2.1',
      '198.51.100.1',
    ],
    ['is the proxy that names nobody', '10.1.2.3', undefined, '10.1.2.3'],
    ['is the proxy that names nonsense', '10.1.2.3', '198.51.100.1, unknown', '10.1.2.3'],
    [
      'is plain on a listener for both families',
      '::ffff:10.1.2.3',
      '::ffff:198.51.100.1',
      '198.51.100.1',
    ],
    ['may be of the other family', '2001:db8::1', '2001:db9::1', '2001:db9::1'],
  ]
  for (const [name, peer, forwardedFor, address] of cases) {
    await t.test(name, () => {
      assert.equal(clientAddress(peer, forwardedFor, isTrusted), address)
    })
  }
  await t.test('is the peer when no proxy is trusted', () => {
    const nobody = trustedProxies([])
    assert.equal(clientAddress('127.0.0.1', '198.51.100.1', nobody), '127.0.0.1')
  })
})
