import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'

test('front-channel logout', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
  })
  const { issuer } = gateway.config().idp
  const { sessionName } = gateway.config().frontends.first.cookies
  const isIn = async (who: Visitor) => (await who.session()).authenticated
  const sidOf = async (who: Visitor) => (await gateway.openSession(who))?.sid ?? ''
  const pathOf = (query: Record<string, string>) =>
    `/auth/frontchannel-logout?${new URLSearchParams(query)}`

  /** The page tells nobody whether there was a session. */
  const assertPage = async (response: Response) => {
    assert.equal(response.status, 200)
    assert.equal(
      response.headers.get('content-security-policy'),
      `default-src 'none'; frame-ancestors ${new URL(issuer).origin}`,
    )
    assert.equal(response.headers.get('x-frame-options'), null)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    return response.text()
  }
  const blank = await assertPage(await fetch(gateway.bff + pathOf({ iss: issuer, sid: 'unknown' })))

  await t.test('ends the session without its cookie', async () => {
    const [gone, stays] = [await gateway.signedIn(), await gateway.signedIn()]
    const response = await fetch(gateway.bff + pathOf({ iss: issuer, sid: await sidOf(gone) }))
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(await assertPage(response), blank)
    assert.equal(await isIn(gone), false)
    assert.equal(await isIn(stays), true)
  })

  await t.test('clears the cookie where it came along, and only its own', async () => {
    const [gone, stays] = [await gateway.signedIn(), await gateway.signedIn()]
    const path = pathOf({ iss: issuer, sid: await sidOf(gone) })
    const beside = await stays.fetch(path)
    assert.deepEqual(beside.headers.getSetCookie(), [])
    assert.equal(await isIn(gone), false)
    assert.equal(await isIn(stays), true)
    const own = await stays.fetch(pathOf({ iss: issuer, sid: await sidOf(stays) }))
    assert.match(own.headers.getSetCookie().join(), new RegExp(`^${sessionName}=; .*Max-Age=0`))
    await assertPage(own)
    assert.equal(await isIn(stays), false)
  })

  await t.test('does nothing for anything else, and answers the same', async () => {
    const who = await gateway.signedIn()
    const sid = await sidOf(who)
    for (const query of [
      { iss: issuer, sid: `${sid}x` },
      { iss: issuer, sid: sid.slice(0, -1) },
      { iss: issuer, sid: '' },
      { iss: issuer },
      { iss: `${issuer}/`, sid },
      { iss: 'https://evil.example', sid },
      { sid },
      {},
    ]) {
      const response = await who.fetch(pathOf(query as Record<string, string>))
      assert.deepEqual(response.headers.getSetCookie(), [])
      assert.equal(await assertPage(response), blank)
    }
    const twice = await who.fetch(`${pathOf({ iss: issuer, sid })}&sid=other`)
    assert.equal(await assertPage(twice), blank)
    assert.equal(await isIn(who), true)
  })
})
