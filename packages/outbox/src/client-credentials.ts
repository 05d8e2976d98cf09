import {
  allowInsecureRequests,
  ClientSecretBasic,
  type Configuration,
  clientCredentialsGrant,
  discovery,
} from 'openid-client'

/** How long before its expiry a token is replaced, so that none expires on its way. */
const REFRESH_BEFORE_MS = 30_000
/** For an answer without `expires_in`. */
const ASSUMED_SECONDS = 60
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
 * A function that returns a machine token for one audience: cached until 30 s before it expires (a
 * token of less than a minute: for half its life), concurrent calls share a request, and the issuer is discovered
 * at first use, so that it may start after us.
 *
 * @returns a function that rejects when the issuer cannot be reached or refuses; the next call tries
 *   anew. A token passed as `refused` is not returned again.
 */
export function clientCredentialsToken(
  options: ClientCredentials,
): (refused?: string) => Promise<string> {
  const now = options.now ?? Date.now
  let configuration: Promise<Configuration> | undefined
  let cached: { token: string; freshUntil: number } | undefined
  let flight: Promise<string> | undefined

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

  const fetchToken = async (): Promise<string> => {
    const answer = await clientCredentialsGrant(await discover(), {
      resource: options.audience,
      scope: options.scope,
    })
    const lifeMs = (answer.expires_in ?? ASSUMED_SECONDS) * 1000
    const token = answer.access_token
    cached = { token, freshUntil: now() + Math.max(lifeMs - REFRESH_BEFORE_MS, lifeMs / 2) }
    return token
  }

  return async (refused) => {
    if (cached !== undefined && cached.token !== refused && now() < cached.freshUntil) {
      return cached.token
    }
    flight ??= fetchToken().finally(() => {
      flight = undefined
    })
    return flight
  }
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
