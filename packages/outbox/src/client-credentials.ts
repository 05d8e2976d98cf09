import {
  allowInsecureRequests,
  ClientSecretBasic,
  type Configuration,
  clientCredentialsGrant,
  discovery,
} from 'openid-client'
import { keptToken } from './kept-token.ts'

const TIMEOUT_SECONDS = 10

export interface ClientCredentials {
  issuer: string
  clientId: string
  clientSecret: string
  /** Sent as `resource` (RFC 8707): the one audience of the token. */
  audience: string
  scope: string
  /** Milliseconds since the epoch. */
  now?: () => number
}

/**
 * A function that returns a machine token for one audience, kept as `keptToken` says. The issuer is
 * discovered at first use, so that it may start after us.
 *
 * @returns a function that rejects when the issuer cannot be reached or refuses; the next call tries
 *   anew. A token passed as `refused` is not returned again.
 */
export function clientCredentialsToken(
  options: ClientCredentials,
): (refused?: string) => Promise<string> {
  let configuration: Promise<Configuration> | undefined

  const discover = async (): Promise<Configuration> => {
    configuration ??= discovery(
      new URL(options.issuer),
      options.clientId,
      undefined,
      ClientSecretBasic(options.clientSecret),
      // The secret travels in the request: in the clear only where it does not leave the machine.
      {
        timeout: TIMEOUT_SECONDS,
        execute: isLoopback(options.issuer) ? [allowInsecureRequests] : [],
      },
    )
    try {
      return await configuration
    } catch (cause) {
      configuration = undefined
      throw cause
    }
  }

  return keptToken(async () => {
    const answer = await clientCredentialsGrant(await discover(), {
      resource: options.audience,
      scope: options.scope,
    })
    return { token: answer.access_token, expiresInSeconds: answer.expires_in }
  }, options.now)
}

function isLoopback(issuer: string): boolean {
  const { protocol, hostname } = new URL(issuer)
  return (
    protocol === 'http:' &&
    (hostname === 'localhost' ||
      hostname.endsWith('.localhost') ||
      hostname === '[::1]' ||
      /^127\.\d+\.\d+\.\d+$/.test(hostname))
  )
}
