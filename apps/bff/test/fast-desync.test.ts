import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { openWire, startRawBackend } from './fast-world.ts'

/*
 * The attacks need no odd letter, only time: a body that comes after its answer, or never. Whoever
 * then takes the late bytes for the next request gives it to the next user (CL.0, 0.CL by `Expect`,
 * pause-based desynchronisation).
 */

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function startWorld(t: TestContext, fast: boolean) {
  const backend = await startRawBackend(t)
  /** What came, by connection. */
  const heard = new Map<Socket, string>()
  backend.talk = (bytes, socket) => {
    heard.set(socket, (heard.get(socket) ?? '') + bytes.toString('latin1'))
    if (bytes.includes('/stall')) return
    // At once, whether or not there is a body still to come.
    if (bytes.includes('\r\n\r\n')) socket.write(OK)
  }
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: backend.origin, crud_service: backend.origin },
    edits: {
      'BFF/config/settings.yaml': replace('server:\n', `server:\n  fast_path: ${fast}\n`),
      'BFF/config/routes.yaml': inOrder(
        replace('timeout: 30', 'timeout: 1'),
        (text) =>
          `${text}\n  - id: open\n    path: /open/*\n    target_service: analytics_service\n    auth: none\n`,
      ),
    },
  })
  const host = `Host: ${new URL(gateway.bff).host}`
  const smuggled = `GET /open/evil HTTP/1.1\r\n${host}\r\n\r\n`
  const post = (...lines: string[]) =>
    `${['POST /open/x HTTP/1.1', host, `Content-Length: ${smuggled.length}`, ...lines].join('\r\n')}\r\n\r\n`
  return { gateway, heard, smuggled, post, host }
}

/** What a backend of plain sense reads on one connection: the targets of its requests. */
function targetsIn(bytes: string): string[] {
  const targets: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    const head = bytes.slice(at, end === -1 ? undefined : end)
    targets.push(head.split(' ')[1] ?? '')
    if (end === -1) break
    at = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
  }
  return targets
}

for (const fast of [true, false]) {
  test(`late bytes are no request (${fast ? 'fast path' : 'HTTP server'})`, async (t) => {
    const { gateway, heard, smuggled, post, host } = await startWorld(t, fast)

    /** Nobody's request but what was sent as one, whoever asks next. */
    const nothingLeaks = async (before: number) => {
      const next = await openWire(t, gateway.bff)
      next.write(`GET /open/next HTTP/1.1\r\n${host}\r\n\r\n`)
      await next.expect(/200 OK[\s\S]*ok$/)
      assert.equal(next.got, '')
      const targets = [...heard.values()].flatMap(targetsIn)
      assert.ok(!targets.some((target) => target.includes('evil')), targets.join(' '))
      assert.equal(targets.filter((target) => target.endsWith('/next')).length, before + 1)
    }
    const nexts = () =>
      [...heard.values()].flatMap(targetsIn).filter((target) => target.endsWith('/next')).length

    for (const [what, lines, early] of [
      ['an answer that comes before the body', [], ''],
      ['an answer amid the body', [], smuggled.slice(0, 3)],
      ['an answer instead of a 100', ['Expect: 100-continue'], ''],
      ['an expectation that is none', ['Expect: y 100-continue'], ''],
      ['an expectation of two', ['Expect: 100-continue, 100-continue'], ''],
    ] as const) {
      await t.test(`after ${what}`, async (t) => {
        const before = nexts()
        const wire = await openWire(t, gateway.bff)
        wire.write(post(...lines) + early)
        await until('an answer', () => /HTTP\/1\.1 [2-5]\d\d/.test(wire.got) || wire.closed)
        wire.got = ''
        wire.write(smuggled.slice(early.length))
        await nothingLeaks(before)
        // On its own connection they are no request, either.
        assert.ok(!/HTTP\/1\.1 200/.test(wire.got), wire.got)
      })
    }

    await t.test('after a pause that is longer than anybody waits', async (t) => {
      const wire = await openWire(t, gateway.bff)
      // The backend waits for the body, too.
      wire.write(post().replace('/open/x', '/open/stall'))
      await until('an answer or the end', () => wire.closed || wire.got !== '')
      wire.got = ''
      if (!wire.closed) wire.write(smuggled)
      heard.clear()
      await nothingLeaks(0)
      assert.ok(!/HTTP\/1\.1 200/.test(wire.got), wire.got)
    })
  })
}
