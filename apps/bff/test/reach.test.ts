import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import { copyConfig } from '@audience-bridge/testkit/config-copy.ts'
import { openConfigFiles } from '../src/config-files.ts'
import { startAuthority, withServices } from './https-world.ts'

test('the files of a backend behind TLS', async (t) => {
  const { directory, ca, issue } = await startAuthority(t)
  const [own, other] = [await issue('/CN=own'), await issue('/CN=other')]
  const at = (name: string) => join(directory, name)
  for (const name of ['crud-service.secret', 'bff-store.key', 'admin.token', 'edge.secret']) {
    ensureSecretFile(join(directory, 'secrets', name))
  }
  const reading = (...lines: string[]) => {
    const configDirectory = copyConfig(t, {
      'BFF/config/routes.yaml': withServices({ other: ['base_url: https://other', ...lines] }),
    })
    return openConfigFiles(configDirectory, { BRIDGE_DATA: directory })
  }
  const faultOf = (...lines: string[]) => {
    const { value, faults } = reading(...lines).read()
    assert.equal(value, undefined)
    assert.equal(faults.length, 1, faults.join('\n'))
    return faults[0] ?? ''
  }
  const cert = (path: string) => `client_cert_path: ${path}`
  const key = (path: string) => `client_key_path: ${path}`

  await t.test('are taken, and looked at from then on', () => {
    const files = reading(`ca_path: ${ca.certFile}`, cert(own.certFile), key(own.keyFile))
    const { value, faults } = files.read()
    assert.ok(value)
    assert.deepEqual(faults, [])
    for (const path of [ca.certFile, own.certFile, own.keyFile]) {
      assert.ok(files.paths().includes(path), path)
    }
  })

  await t.test('give the configuration another version when they change', () => {
    const [certFile, keyFile] = [at('now.crt'), at('now.key')]
    const show = (pair: typeof own) => {
      copyFileSync(pair.certFile, certFile)
      copyFileSync(pair.keyFile, keyFile)
    }
    show(own)
    const files = reading(cert(certFile), key(keyFile))
    const before = files.read().value?.version
    assert.equal(files.read().value?.version, before)
    show(other)
    assert.notEqual(files.read().value?.version, before)
    // Between the two writes of a renewal.
    copyFileSync(own.certFile, certFile)
    assert.match(files.read().faults.join(), /client_key_path: found .*not the key of/)
    // One that is not there yet may come.
    rmSync(certFile)
    assert.equal(files.read().value, undefined)
    assert.ok(files.paths().includes(certFile))
  })

  await t.test('are refused by key, file and mend where they cannot be used', () => {
    writeFileSync(at('empty.pem'), '\n')
    writeFileSync(at('text.pem'), 'no certificate at all')
    writeFileSync(at('cut.pem'), ca.cert.replace(/\n[^\n]+\n-----END/, '\n-----END'))
    execFileSync(
      'openssl',
      ['ec', '-in', own.keyFile, '-aes256', '-passout', 'pass:secret', '-out', at('locked.key')],
      { stdio: 'ignore' },
    )
    for (const name of ['missing.pem', 'empty.pem', 'text.pem', 'cut.pem']) {
      const fault = faultOf(`ca_path: ${at(name)}`)
      assert.match(fault, /BFF\/config\/routes\.yaml:\d+:\d+: services\.other\.ca_path: found/)
      assert.match(
        fault,
        new RegExp(`${name}.* expected a file with certificates \\(PEM\\)\\. Mend: `),
      )
    }
    for (const name of ['missing.pem', 'text.pem', 'locked.key']) {
      const fault = faultOf(cert(own.certFile), key(at(name)))
      assert.match(fault, /client_key_path: found .* without a passphrase \(PEM\)/)
    }
    assert.match(faultOf(cert(own.certFile), key(other.keyFile)), /which is not the key of/)
  })

  await t.test('are not needed where nobody is to prove anything, and that is told', () => {
    const { value, faults } = reading('tls_verify: false').read()
    assert.ok(value)
    assert.match(faults.join(), /services\.other\.tls_verify: found false: .*\[tls_unverified\]$/)
  })
})
