import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { idpClientSchema } from '@audience-bridge/chain/idp-clients.ts'
import { idpSettingsSchema } from '@audience-bridge/chain/idp-settings.ts'
import {
  type Certificate,
  fetchWith,
  makeCertificate,
} from '@audience-bridge/testkit/certificates.ts'
import * as oidc from 'openid-client'
import { registerClients } from '../src/clients.ts'
import { ANALYTICS, SECRET, startIdp, type TestIdp } from './start-idp.ts'

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'idp-tls-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function clientOf(
  idp: TestIdp,
  id: string,
  auth: oidc.ClientAuth,
  fetch: ReturnType<typeof fetchWith>,
): Promise<oidc.Configuration> {
  const customFetch = (url: string, options: object) => fetch(url, options as RequestInit)
  const config = await oidc.discovery(new URL(idp.issuer), id, undefined, auth, {
    [oidc.customFetch]: customFetch,
  })
  config[oidc.customFetch] = customFetch
  return config
}

test('clients prove themselves with the certificate of their connection', async (t) => {
  const directory = temporaryDirectory(t)
  const make = (name: string, options: Parameters<typeof makeCertificate>[2]) =>
    makeCertificate(directory, name, options)
  const ca = await make('ca', { subject: '/O=Example/CN=Example CA' })
  const issued = (name: string, subject: string, names = 'DNS:unused.example') =>
    make(name, { subject, names, issuer: ca })
  const server = await issued('server', '/CN=localhost', 'DNS:localhost')
  const bff = await issued(
    'bff',
    '/O=Example\\, Inc/CN=bff',
    'DNS:bff.example,URI:spiffe://example/bff',
  )
  const other = await issued('other', '/O=Example\\, Inc/CN=other', 'DNS:other.example')
  const own = await make('own', { subject: '/CN=own' })
  const stranger = await make('stranger', { subject: '/O=Example\\, Inc/CN=bff' })
  const forged = await make('forged', {
    subject: '/O=Example\\, Inc/CN=bff',
    names: 'DNS:bff.example',
    issuer: own,
  })

  const machine = {
    grant_types: ['client_credentials'],
    scopes: ['api.write'],
    allowed_audiences: [ANALYTICS],
  }
  const byCa = { ...machine, token_endpoint_auth_method: 'tls_client_auth' }
  const x5c = own.cert.replace(/-----[^-]+-----|\s/g, '')
  const idp = await startIdp(t, {
    tls: {
      ...{ cert_file: server.certFile, key_file: server.keyFile },
      ...{ client_certificates: true, client_ca_file: ca.certFile },
    },
    clients: {
      subject: { ...byCa, tls_client_auth_subject_dn: 'CN=bff,O=Example\\, Inc' },
      dns: { ...byCa, tls_client_auth_san_dns: 'bff.example' },
      uri: { ...byCa, tls_client_auth_san_uri: 'spiffe://example/bff' },
      own: {
        ...{ ...machine, token_endpoint_auth_method: 'self_signed_tls_client_auth' },
        jwks: { keys: [{ ...publicJwk(own), x5c: [x5c] }] },
      },
    },
  })

  const cases: [name: string, id: string, shown: Certificate | undefined, works: boolean][] = [
    ['its subject', 'subject', bff, true],
    ['its DNS name', 'dns', bff, true],
    ['its URI', 'uri', bff, true],
    ['the certificate it registered', 'own', own, true],
    ['the subject of another client', 'subject', other, false],
    ['the DNS name of another client', 'dns', other, false],
    ['its subject, by its own word', 'subject', stranger, false],
    ['its subject, by the word of a client', 'subject', forged, false],
    ['its DNS name, by the word of a client', 'dns', forged, false],
    ['a certificate it did not register', 'own', bff, false],
    ['no certificate', 'subject', undefined, false],
    ['no certificate, though it registered one', 'own', undefined, false],
  ]
  for (const [name, id, shown, works] of cases) {
    await t.test(`${works ? 'with' : 'but not with'} ${name}`, async () => {
      const config = await clientOf(idp, id, oidc.TlsClientAuth(), fetchWith(ca, shown))
      const grant = oidc.clientCredentialsGrant(config, { audience: ANALYTICS })
      if (works) assert.equal((await grant).token_type, 'bearer')
      else await assert.rejects(grant, { status: 401 })
    })
  }

  await t.test('and others with their secret, on the same listener', async () => {
    const config = await clientOf(idp, 'bff-server', oidc.ClientSecretBasic(SECRET), fetchWith(ca))
    const methods = config.serverMetadata().token_endpoint_auth_methods_supported
    assert.ok(methods?.includes('tls_client_auth'))
    await oidc.clientCredentialsGrant(config, { audience: ANALYTICS })
  })
})

test('a certificate that is replaced is taken over without a restart', async (t) => {
  const directory = temporaryDirectory(t)
  const names = 'DNS:localhost'
  const first = await makeCertificate(directory, 'first', { subject: '/CN=first', names })
  const second = await makeCertificate(directory, 'second', { subject: '/CN=second', names })
  const tls = { cert_file: join(directory, 'tls.crt'), key_file: join(directory, 'tls.key') }
  const use = ({ certFile, keyFile }: Certificate) => {
    copyFileSync(certFile, tls.cert_file)
    copyFileSync(keyFile, tls.key_file)
  }
  use(first)
  const idp = await startIdp(t, { tls })
  const health = async (trusted: Certificate) =>
    (await fetchWith(trusted)(`${idp.origin}/health`)).status
  assert.equal(await health(first), 200)
  await assert.rejects(health(second))

  use(second)
  await idp.reload()
  assert.equal(await health(second), 200)
  await assert.rejects(health(first))

  // A key that does not fit is refused; what is in force stays.
  copyFileSync(first.keyFile, tls.key_file)
  await idp.reload()
  assert.equal(await health(second), 200)
  assert.ok(idp.logs.some(({ message }) => message === 'config refused'))
})

test('a listener by https needs an issuer that says so', () => {
  const server = { port: 1, tls: { cert_file: 'c', key_file: 'k' } }
  const read = (issuer: string) =>
    idpSettingsSchema.shape.server.safeParse({ ...server, issuer }).success
  assert.equal(read('https://idp.example'), true)
  assert.equal(read('http://localhost'), false)
})

test('a client that cannot show a certificate stops the start and is named', () => {
  const client = idpClientSchema.parse({
    ...{ scopes: [], grant_types: ['client_credentials'] },
    token_endpoint_auth_method: 'tls_client_auth',
  })
  const tls = { cert_file: 'c', key_file: 'k', client_certificates: true }
  const trusting = { ...tls, client_ca_file: 'ca' }
  const said = (entry: typeof client, listener?: Parameters<typeof registerClients>[2]) =>
    registerClients({ c: entry }, [], listener).faults.join()
  assert.match(said(client), /set server.tls.client_certificates/)
  assert.match(said(client, { ...trusting, client_certificates: false }), /client_certificates/)
  assert.match(said(client, tls), /set server.tls.client_ca_file/)
  assert.match(said(client, trusting), /give it one of tls_client_auth_subject_dn/)
})

function publicJwk({ cert }: Certificate) {
  return createPublicKey(cert).export({ format: 'jwk' })
}
