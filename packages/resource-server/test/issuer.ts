import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'

export interface Signer {
  kid: string
  alg: string
  privateKey: CryptoKey
  jwk: JWK
}

export async function makeSigner(kid: string, alg = 'ES256'): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

/** A real issuer on a free port: discovery and keys. `published` may change while it runs. */
export async function startIssuer(t: TestContext, first: Signer) {
  const state = { published: [first.jwk], fetches: 0, answering: true, issuer: '' }
  const server = createServer((request, response) => {
    if (!state.answering) {
      response.writeHead(500).end()
      return
    }
    if (request.url === '/oidc/.well-known/openid-configuration') {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ issuer: state.issuer, jwks_uri: `${state.issuer}/jwks` }))
      return
    }
    state.fetches += 1
    response.setHeader('content-type', 'application/jwk-set+json')
    response.end(JSON.stringify({ keys: state.published }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  state.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/oidc`
  return state
}

export function sign(
  signer: Signer,
  claims: Record<string, unknown>,
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: signer.alg, kid: signer.kid, typ: 'at+jwt', ...header })
    .sign(signer.privateKey)
}
