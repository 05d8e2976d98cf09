import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { startSystem } from '@audience-bridge/testkit/system.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { startAuthority, startHttps, withServices } from './https-world.ts'

test('a running gateway takes renewed certificates over', async (t) => {
  const { directory, ca, issue } = await startAuthority(t)
  const [first, second] = [await issue('/CN=first'), await issue('/CN=second')]
  const [certFile, keyFile] = [join(directory, 'own.crt'), join(directory, 'own.key')]
  const show = (pair: typeof first) => {
    copyFileSync(pair.certFile, certFile)
    copyFileSync(pair.keyFile, keyFile)
  }
  const fingerprint = (pair: typeof first) => new X509Certificate(pair.cert).fingerprint256
  show(first)
  const backend = await startHttps(t, await issue('/CN=backend'), {
    ...{ requestCert: true, rejectUnauthorized: true, ca: ca.cert },
  })
  let held: ServerResponse | undefined
  backend.answer = (req, res) => {
    const shown = (req.socket as TLSSocket).getPeerX509Certificate()?.fingerprint256
    if (req.url === '/shown/held') held = res
    else res.end(shown)
  }
  const system = await startSystem(t, {
    edits: {
      'BFF/config/routes.yaml': withServices({
        shown: [
          ...[`base_url: ${backend.origin}`, `ca_path: ${ca.certFile}`],
          ...[`client_cert_path: ${certFile}`, `client_key_path: ${keyFile}`],
        ],
        unchecked: [`base_url: ${backend.origin}`, 'tls_verify: false'],
      }),
    },
  })
  const shown = async () => (await fetch(new URL('/shown/x', system.bff))).text()
  const told = () => system.log('bff').match(/\[tls_unverified\]/g)?.length ?? 0

  assert.equal(await shown(), fingerprint(first))
  assert.equal(told(), 1, 'at the start')
  const under = fetch(new URL('/shown/held', system.bff))
  await until('the held one', () => held)

  show(second)
  await until('the renewed certificate', async () => (await shown()) === fingerprint(second))
  held?.end('held')
  assert.equal(await (await under).text(), 'held', 'what was under way has ended as it began')
  await until('the warning at the reload', () => told() === 2)

  // The attack of a slip: a key that is none must not leave the gateway without a certificate.
  writeFileSync(keyFile, 'no key')
  await until('the refusal', () => /client_key_path: found/.test(system.log('bff')))
  assert.equal(await shown(), fingerprint(second), 'what was in force stays in force')
  assert.ok(!system.log('bff').includes(readFileSync(second.keyFile, 'utf8').split('\n')[1] ?? ''))
})
