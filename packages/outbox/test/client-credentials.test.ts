import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { clientCredentialsToken } from '../src/client-credentials.ts'

/** An issuer on a real port that hands out `token-1`, `token-2`, … */
async function startIssuer(t: TestContext, expiresIn = 600) {
  const requests: { authorization: string; parameters: URLSearchParams }[] = []
  const issuer = { url: '', requests, available: true }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    response.setHeader('content-type', 'application/json')
    if (!issuer.available) {
      response.writeHead(503).end('{}')
    } else if (request.url?.endsWith('/.well-known/openid-configuration')) {
      response.end(JSON.stringify({ issuer: issuer.url, token_endpoint: `${issuer.url}/token` }))
    } else {
      requests.push({
        authorization: request.headers.authorization ?? '',
        parameters: new URLSearchParams(Buffer.concat(parts).toString()),
      })
      const access_token = `token-${requests.length}`
      response.end(JSON.stringify({ access_token, token_type: 'Bearer', expires_in: expiresIn }))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/oidc`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return issuer
}

function tokenFrom(issuer: string, now: () => number = () => 0) {
  return clientCredentialsToken({
    issuer,
    clientId: 'crud-service',
    clientSecret: 'a secret',
    audience: 'https://analytics.example',
    scope: 'api.write',
    now,
  })
}

test('asks once for concurrent calls, for one audience and scope, as itself', async (t) => {
  const issuer = await startIssuer(t)
  const token = tokenFrom(issuer.url)
  const tokens = await Promise.all([token(), token(), token()])
  assert.deepEqual([...new Set(tokens)], ['token-1'])
  assert.equal(await token(), 'token-1')
  const [request] = issuer.requests
  assert.ok(request && issuer.requests.length === 1)
  // RFC 6749 §2.3.1: both halves are form-encoded before they meet.
  const [id, secret] = atob(request.authorization.replace('Basic ', '')).split(':')
  const pair = new URLSearchParams(`id=${id}&secret=${secret}`)
  assert.deepEqual([pair.get('id'), pair.get('secret')], ['crud-service', 'a secret'])
  assert.deepEqual(Object.fromEntries(request.parameters), {
    grant_type: 'client_credentials',
    resource: 'https://analytics.example',
    scope: 'api.write',
  })
})

const lives: { expiresIn: number; freshUntil: number }[] = [
  { expiresIn: 600, freshUntil: 570_000 },
  { expiresIn: 20, freshUntil: 10_000 },
]
for (const { expiresIn, freshUntil } of lives) {
  test(`keeps a token of ${expiresIn} s for ${freshUntil / 1000} s`, async (t) => {
    const issuer = await startIssuer(t, expiresIn)
    let now = 0
    const token = tokenFrom(issuer.url, () => now)
    await token()
    now = freshUntil - 1
    assert.equal(await token(), 'token-1')
    now = freshUntil
    assert.equal(await token(), 'token-2')
  })
}

test('does not return a token that the receiver refused', async (t) => {
  const issuer = await startIssuer(t)
  const token = tokenFrom(issuer.url)
  const refused = await token()
  assert.equal(await token(refused), 'token-2')
  assert.equal(await token(refused), 'token-2', 'the refusal was of the first')
})

test('fails while the issuer is away and recovers when it is there', async (t) => {
  const issuer = await startIssuer(t)
  issuer.available = false
  const token = tokenFrom(issuer.url)
  await assert.rejects(token())
  issuer.available = true
  assert.equal(await token(), 'token-1')
})

test('sends no secret in the clear to another machine', async () => {
  // Would be answered by a refused connection, not by a policy, if http were allowed.
  const token = tokenFrom('http://idp.example.invalid/api/oidc')
  await assert.rejects(token(), /only requests to HTTPS are allowed/)
})
