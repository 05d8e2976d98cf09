import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTab } from '@audience-bridge/testkit/browser.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import { startSecure } from './front-world.ts'

test('a browser speaks HTTP/2 with the BFF, WebSockets included', async (t) => {
  const { origin, sockets, visitor } = await startSecure(t)
  const { context: plain } = await openTab(t)
  const context = await plain.browser()?.newContext({
    // The test's authority is none of the browser's.
    ignoreHTTPSErrors: true,
    userAgent: VISITOR_AGENT,
  })
  assert.ok(context)
  await context.addCookies(
    visitor.cookie.split('; ').map((pair) => {
      const at = pair.indexOf('=')
      const secure = { secure: true, httpOnly: true, sameSite: 'Lax' as const }
      return { name: pair.slice(0, at), value: pair.slice(at + 1), url: origin, ...secure }
    }),
  )
  const page = await context.newPage()
  await page.goto(`${origin}/health`)
  const seen = await page.evaluate(async () => {
    const answer = await fetch('/api/crud/from-a-page')
    const socket = new WebSocket('/api/ws/x')
    const echoed = await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send('hello')
      socket.onmessage = ({ data }) => resolve(data)
      socket.onerror = () => reject(new Error('the WebSocket failed'))
    })
    const { url } = (await answer.json()) as { url: string }
    const protocols = performance
      .getEntries()
      .flatMap((entry) => ('nextHopProtocol' in entry ? [String(entry.nextHopProtocol)] : []))
    return { status: answer.status, url, echoed, protocols: [...new Set(protocols)] }
  })
  assert.deepEqual(seen, {
    ...{ status: 200, url: '/api/from-a-page', echoed: 'hello' },
    protocols: ['h2'],
  })
  assert.match(String(sockets.peers.at(-1)?.head.headers.authorization), /^Bearer ey/)
})
