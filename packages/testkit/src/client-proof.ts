import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import type { BffConfig } from '@audience-bridge/bff/config.ts'
import type { SessionStore } from '@audience-bridge/bff/session/store.ts'
import { type StoreKeys, unseal } from '@audience-bridge/bff/session/ticket.ts'

interface RingDocument {
  keys: { kid: string; jwk: Record<string, string> }[]
}

/** What a request to the IdP needs to pass for one of the BFF's, with its secret or with its own key. */
export async function clientProof(
  store: SessionStore,
  keys: StoreKeys,
  { idp }: BffConfig,
): Promise<{ headers: Record<string, string>; form: Record<string, string> }> {
  if (idp.clientSecret !== undefined) {
    const basic = Buffer.from(`${idp.clientId}:${idp.clientSecret}`).toString('base64')
    return { headers: { authorization: `Basic ${basic}` }, form: {} }
  }
  const document = await store.readDocument('keys/client')
  const ring = document && (unseal(keys.all, 'keys/client', document.sealed) as RingDocument)
  const [key] = ring?.keys ?? []
  if (key === undefined) throw new Error('the BFF has no key yet')
  const now = Math.floor(Date.now() / 1000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = part({ alg: 'ES256', kid: key.kid })
  const claims = part({
    ...{ iss: idp.clientId, sub: idp.clientId, aud: idp.issuer, jti: randomUUID() },
    ...{ iat: now, exp: now + 60 },
  })
  const signature = sign('sha256', Buffer.from(`${head}.${claims}`), {
    key: createPrivateKey({ key: key.jwk, format: 'jwk' }),
    dsaEncoding: 'ieee-p1363',
  }).toString('base64url')
  return {
    headers: {},
    form: {
      client_id: idp.clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: `${head}.${claims}.${signature}`,
    },
  }
}
