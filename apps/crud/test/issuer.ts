import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Issuer {
  url: string
  /** A signed access token; `claims` override what a good token for crud has. */
  token(claims?: Record<string, unknown>): string
}

export const AUDIENCE = 'https://crud.ocg.labs.empowernow.ai'

/** An issuer on a real port: discovery, keys, and machine tokens for whoever asks. */
export async function startIssuer(t: TestContext): Promise<Issuer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }

  const issuer: Issuer = {
    url: '',
    token(claims = {}) {
      const now = Math.floor(Date.now() / 1000)
      const payload = {
        iss: issuer.url,
        aud: AUDIENCE,
        sub: 'user-1',
        client_id: 'bff-server',
        act: { sub: 'bff-server' },
        scope: 'crud.read crud.write',
        roles: [],
        jti: randomUUID(),
        iat: now,
        exp: now + 300,
        ...claims,
      }
      const head = encode({ typ: 'at+jwt', alg: 'ES256', kid: 'k1' })
      const body = `${head}.${encode(payload)}`
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
      return `${body}.${sign('sha256', Buffer.from(body), key).toString('base64url')}`
    },
  }

  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    const path = (request.url ?? '').slice('/api/oidc'.length)
    const answers: Record<string, unknown> = {
      '/.well-known/openid-configuration': {
        issuer: issuer.url,
        jwks_uri: `${issuer.url}/jwks`,
        token_endpoint: `${issuer.url}/token`,
      },
      '/jwks': { keys: [jwk] },
      '/token': { access_token: 'events-token', token_type: 'Bearer', expires_in: 600 },
    }
    request.resume().on('end', () => response.end(JSON.stringify(answers[path] ?? {})))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/oidc`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return issuer
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
