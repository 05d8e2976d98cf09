import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startRedis, startRedisTls } from '@audience-bridge/testkit/redis.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openRedis } from './redis-store.ts'

const open = (t: TestContext, ...args: Parameters<typeof openRedis>) => {
  const store = openRedis(...args)
  t.after(() => store.close())
  return store
}

test('Redis over TLS', async (t) => {
  const redis = await startRedisTls(t)
  const records = { sealed: Buffer.from('record'), card: Buffer.from('card'), keys: [] }
  const times = { createdAt: 1, seenAt: 1, expiresAt: Math.floor(Date.now() / 1000) + 60 }

  await t.test('with an authority that vouches for it', async (t) => {
    const store = open(t, redis, { ca: redis.ca })
    await store.insertSession('id', { ...records, ...times })
    assert.equal((await store.readSession('id'))?.sealed.toString(), 'record')
    await until('the news', () => performance.now() - store.hearing.provenAt < 1000)
  })

  // The attack: whoever answers at that address gets the password and every record.
  await t.test('not with an unknown one', async (t) => {
    const store = open(t, redis)
    await assert.rejects(store.readSession('id'), /self-signed certificate/)
  })

  await t.test('not under another name', async (t) => {
    const url = redis.url.replace('127.0.0.1', 'localhost')
    const store = open(t, { ...redis, url }, { ca: redis.ca })
    await assert.rejects(store.readSession('id'), /does not match|altnames/i)
  })

  await t.test('never without, where TLS is asked for', async (t) => {
    const plain = await startRedis(t)
    const url = plain.url.replace('redis:', 'rediss:')
    const store = open(t, { ...plain, url }, { ca: redis.ca })
    await assert.rejects(store.readSession('id'))
    assert.doesNotMatch(await plain.cli('info', 'errorstats'), /NOAUTH|WRONGPASS/)
  })
})
