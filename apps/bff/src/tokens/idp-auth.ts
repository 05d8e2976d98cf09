import * as oidc from 'openid-client'
import { CannotSign } from './idp-answer.ts'
import type { KeyRing, SigningKey } from './key-ring.ts'

/** How the BFF proves itself at the token endpoint, and with what. */
export type ClientCredentials =
  | { authMethod: 'client_secret_basic' | 'client_secret_post'; clientSecret: string }
  | {
      authMethod: 'private_key_jwt' | 'tls_client_auth' | 'self_signed_tls_client_auth'
      clientSecret: undefined
    }

export interface SigningRings {
  client: KeyRing
  dpop: KeyRing
}

/** The ring's key of now, for use within a call to the IdP. */
export const signerOf = (ring: KeyRing): Promise<SigningKey> =>
  ring.signer().catch((cause: unknown) => {
    throw new CannotSign('there is no key to sign with', { cause })
  })

/** The method of the settings, with the key that signs when it is used. */
export function clientAuthentication(settings: ClientCredentials, ring: KeyRing): oidc.ClientAuth {
  switch (settings.authMethod) {
    case 'client_secret_basic':
      return oidc.ClientSecretBasic(settings.clientSecret)
    case 'client_secret_post':
      return oidc.ClientSecretPost(settings.clientSecret)
    case 'private_key_jwt':
      // A JWT of one minute, for this issuer alone, with a `jti`: whoever reads it cannot use it again.
      return async (server, client, body, headers) => {
        const { privateKey, kid } = await signerOf(ring)
        return oidc.PrivateKeyJwt({ key: privateKey, kid })(server, client, body, headers)
      }
    // The connection is the proof; only the name is sent.
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return oidc.TlsClientAuth()
  }
}
