import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBridgeConfig } from '../src/bridge-config.ts'
import { checkBridge } from '../src/check.ts'
import { shipped } from './shipped.ts'

const HTTPS = 'https://crud.example'
const withLines = (base: string, ...lines: string[]) =>
  shipped({
    'BFF/config/routes.yaml': (text) =>
      text.replace(
        /crud_service:\n {4}base_url: .*\n/,
        () =>
          `crud_service:\n    base_url: ${base}\n${lines.map((line) => `    ${line}\n`).join('')}`,
      ),
  })
const told = (base: string, ...lines: string[]) =>
  checkBridge(withLines(base, ...lines), {}).map(
    ({ kind, code, key, patch }) =>
      `${kind} ${code} ${key?.split('.').at(-1)} ${patch !== undefined}`,
  )

test('how a backend is reached', async (t) => {
  await t.test('may be told in full', () => {
    assert.deepEqual(
      told(
        HTTPS,
        ...['ca_path: ca.pem', 'client_cert_path: a.pem', 'client_key_path: a.key'],
        ...['tls_server_name: crud.internal', 'http2: true', 'tls_verify: true'],
      ),
      [],
    )
    assert.deepEqual(told('http://crud:8000', 'http2: true'), [])
  })
  await t.test('is malformed where a key would be ignored', () => {
    for (const line of ['ca_path: a', 'tls_server_name: a']) {
      const key = line.split(':')[0]
      assert.deepEqual(told('http://crud:8000', line), [`malformed conflicting_keys ${key} false`])
    }
    assert.deepEqual(told(HTTPS, 'ca_path: a', 'tls_verify: false'), [
      'malformed conflicting_keys tls_verify false',
    ])
  })
  await t.test('is malformed with half of a pair', () => {
    for (const key of ['client_cert_path', 'client_key_path']) {
      assert.deepEqual(told(HTTPS, `${key}: a`), [`malformed conflicting_keys ${key} false`])
    }
  })
  await t.test('is malformed with a name that is none', () => {
    for (const name of ['https://a', 'a b', '"*.example"', 'a:443']) {
      assert.deepEqual(told(HTTPS, `tls_server_name: ${name}`), [
        'malformed invalid_value tls_server_name false',
      ])
    }
  })

  // A backend that nobody checks works, and so nobody would ever look at it again.
  await t.test('without verification loads, and is a finding', () => {
    const sources = withLines(HTTPS, 'tls_verify: false')
    assert.deepEqual(told(HTTPS, 'tls_verify: false'), ['unsafe tls_unverified tls_verify false'])
    const { config, faults } = readBridgeConfig(sources, {})
    assert.ok(config)
    assert.deepEqual(
      faults.map(({ code }) => code),
      ['tls_unverified'],
    )
  })
})
