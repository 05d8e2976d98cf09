import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { inOrder } from '@audience-bridge/testkit/config-copy.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'
import { openWebSocket } from '@audience-bridge/testkit/websocket-client.ts'
import { startAuthority, startHttps, withServices } from './https-world.ts'

const PATH = '/api/v1/analytics/workflows'

test('a backend behind TLS', async (t) => {
  const { directory, ca, authority, issue } = await startAuthority(t)
  const other = await authority('Other CA')
  const server = await issue('/CN=backend')
  const own = await issue('/CN=bff', 'DNS:bff.example')
  const [certFile, keyFile] = [join(directory, 'own.crt'), join(directory, 'own.key')]
  const show = (pair: typeof own) => {
    copyFileSync(pair.certFile, certFile)
    copyFileSync(pair.keyFile, keyFile)
  }
  show(own)

  const good = await startHttps(t, server)
  const named = await startHttps(t, await issue('/CN=x', 'DNS:backend.example'))
  const expired = await startHttps(t, await issue('/CN=old', 'IP:127.0.0.1', { expired: true }))
  const asking = await startHttps(t, server, {
    ...{ requestCert: true, rejectUnauthorized: true, ca: ca.cert },
  })
  const shown: (string | undefined)[] = []
  const fingerprint = (pair: typeof own) => new X509Certificate(pair.cert).fingerprint256
  asking.answer = (req, res) => {
    shown.push((req.socket as TLSSocket).getPeerX509Certificate()?.fingerprint256)
    if (req.headers.authorization === undefined) return res.end('ok')
    if (req.url?.startsWith('/.well-known/')) return res.end('{"resource":"https://other.example"}')
    res.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
  }
  asking.server.on('upgrade', (req, socket: TLSSocket) => {
    shown.push(socket.getPeerX509Certificate()?.fingerprint256)
    const accept = createHash('sha1')
      .update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    socket.on('data', () => socket.end())
  })
  const at = (origin: string) => `base_url: ${origin}`
  const trusted = `ca_path: ${ca.certFile}`
  const pair = [`client_cert_path: ${certFile}`, `client_key_path: ${keyFile}`]
  const gateway = await startGateway(t, {
    edits: {
      'BFF/config/routes.yaml': inOrder(
        withServices({
          good: [at(good.origin), trusted],
          unknown: [at(good.origin)],
          stranger: [at(good.origin), `ca_path: ${other.certFile}`],
          unchecked: [at(good.origin), 'tls_verify: false'],
          misnamed: [at(named.origin), trusted],
          named: [at(named.origin), trusted, 'tls_server_name: backend.example'],
          expired: [at(expired.origin), trusted],
          nobody: [at(asking.origin), trusted],
          shown: [at(asking.origin), trusted, ...pair],
        }),
        (text) =>
          text.replace(
            /analytics_service:\n {4}base_url: .*\n/,
            `analytics_service:\n    ${[at(asking.origin), trusted, ...pair].join('\n    ')}\n`,
          ),
      ),
    },
  })
  const visitor = gateway.visitor()
  const works = async (path: string) => {
    const response = await visitor.fetch(path)
    assert.equal(response.status, 200)
    assert.equal(await response.text(), 'ok')
  }
  const refused = async (path: string, reason: RegExp) => {
    const before = [good, named, expired].map(({ asked }) => asked)
    const body = await assertProblem(await visitor.fetch(path), 'UPSTREAM_UNREACHABLE')
    assert.doesNotMatch(JSON.stringify(body), /127\.0\.0\.1|CERT|altname/i)
    assert.match(String(gateway.logs.at(-1)?.reason ?? JSON.stringify(gateway.logs.at(-2))), reason)
    const after = [good, named, expired].map(({ asked }) => asked)
    assert.deepEqual(after, before, 'nothing was sent')
  }

  await t.test('works where an authority of ca_path vouches for it', () => works('/good/x'))

  // The attack: whoever can answer at that address would be given the users' tokens.
  await t.test('is not believed where Node knows no authority of it', () =>
    refused('/unknown/x', /UNABLE_TO|SELF_SIGNED/),
  )
  await t.test('is not believed by another authority', () =>
    refused('/stranger/x', /UNABLE_TO|SELF_SIGNED/),
  )
  await t.test('is not believed under another name', () =>
    refused('/misnamed/x', /ERR_TLS_CERT_ALTNAME_INVALID/),
  )
  await t.test('is believed under the name of tls_server_name', () => works('/named/x'))
  await t.test('is not believed once its certificate has expired', () =>
    refused('/expired/x', /CERT_HAS_EXPIRED/),
  )
  await t.test('is believed without a word where tls_verify says so', () => works('/unchecked/x'))

  await t.test(
    'is shown our certificate, and another service of the same place is not',
    async () => {
      await works('/shown/x')
      assert.deepEqual(shown.splice(0), [fingerprint(own)])
      const response = await visitor.fetch('/nobody/x')
      assert.equal(response.status, 502)
      assert.deepEqual(shown, [])
    },
  )
  await t.test('is shown it with a token, and when it is asked why it refused one', async () => {
    const member = await gateway.signedIn()
    await assertProblem(await member.fetch(PATH), 'TOKEN_REJECTED')
    assert.deepEqual(new Set(shown.splice(0)), new Set([fingerprint(own)]))
  })
  await t.test('is shown it by a handshake for a WebSocket', async () => {
    const { closed, send } = await openWebSocket(new URL('/shown/ws', gateway.bff))
    assert.deepEqual(shown.splice(0), [fingerprint(own)])
    send('x')
    await closed
    await assert.rejects(openWebSocket(new URL('/nobody/ws', gateway.bff)), /refused/)
    await assert.rejects(openWebSocket(new URL('/stranger/ws', gateway.bff)), /refused/)
    assert.deepEqual(shown, [])
  })
  await t.test('is shown a renewed certificate from the next request on', async () => {
    const next = await issue('/CN=bff', 'DNS:bff.example')
    const before = gateway.config().version
    show(next)
    await works('/shown/x')
    assert.deepEqual(shown.splice(0), [fingerprint(own)], 'as long as nobody read the files')
    gateway.reconfigure({})
    assert.notEqual(gateway.config().version, before)
    await works('/shown/x')
    assert.deepEqual(shown.splice(0), [fingerprint(next)])
  })
})
