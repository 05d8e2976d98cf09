import assert from 'node:assert/strict'
import test from 'node:test'
import { Browser } from './browser.ts'
import { beginLogin, discover } from './relying-party.ts'
import { startIdp } from './start-idp.ts'

test('guesses are limited by the address of who guesses', async (t) => {
  for (const [name, server, others] of [
    ['which a trusted proxy names', { trusted_proxies: ['127.0.0.0/8', '::1'] }, 422],
    ['and not by what he writes himself', {}, 429],
  ] as const) {
    await t.test(name, async (t) => {
      const idp = await startIdp(t, { server })
      const config = await discover(idp)
      const guess = async (address: string) => {
        const browser = new Browser({ 'x-forwarded-for': address })
        const { page } = await beginLogin(config, { browser })
        return (await browser.submit(page, { username: 'bob', password: 'a guess' })).status
      }
      for (let turn = 0; turn < 5; turn++) assert.equal(await guess('198.51.100.1'), 422)
      assert.equal(await guess('198.51.100.1'), 429)
      assert.equal(await guess('198.51.100.2'), others)
      const logged = idp.logs.find(({ message }) => message === 'login failed')
      assert.equal(logged?.address === '198.51.100.1', others === 422)
    })
  }
})
