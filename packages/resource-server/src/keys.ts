import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'

/*
 * The issuer's public keys. Fetched at first need, again after ten minutes, and at once when a token
 * names an unknown key, but at most every `refetchSeconds`: a stream of tokens with made-up key ids
 * would otherwise turn this service into a weapon against the issuer. Concurrent needs share one
 * fetch. When the issuer is away, keys once fetched stay good for an hour.
 */

/** The issuer's keys cannot be had, so nothing can be said of a token. */
export class KeysUnavailable extends Error {}

const FRESH_SECONDS = 600
const STALE_SECONDS = 3600

export interface KeySourceOptions {
  issuer: string
  /** Found by discovery when absent. */
  jwksUri?: string | undefined
  timeoutMs: number
  refetchSeconds: number
  /** Default: the global one. */
  fetch?: typeof fetch | undefined
  /** Seconds since the epoch. */
  clock: () => number
}

type Fetch = typeof fetch

async function readJson(
  fetch: Fetch,
  url: string,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  // A redirect could lead to keys that somebody else chose.
  const answer = await fetch(url, {
    signal,
    redirect: 'error',
    headers: { accept: 'application/json, application/jwk-set+json' },
  })
  if (answer.status !== 200) {
    await answer.body?.cancel()
    throw new Error(`${url} answered ${answer.status}`)
  }
  const document: unknown = await answer.json()
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new Error(`${url} is no JSON object`)
  }
  return document as Record<string, unknown>
}

async function discover(fetch: Fetch, issuer: string, signal: AbortSignal): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = await readJson(fetch, url, signal)
  // Another issuer's document would bring another issuer's keys (OIDC Discovery §4.3).
  if (document.issuer !== issuer) {
    throw new Error(`${url} speaks for the issuer ${String(document.issuer)}, expected ${issuer}`)
  }
  if (typeof document.jwks_uri !== 'string') throw new Error(`${url} names no jwks_uri`)
  return document.jwks_uri
}

/**
 * A key resolver for jose.
 *
 * @throws KeysUnavailable from the resolver when the keys cannot be fetched in `timeoutMs`.
 */
export function createKeySource(options: KeySourceOptions): JWTVerifyGetKey {
  const { clock } = options
  let keys: { resolve: ReturnType<typeof createLocalJWKSet>; at: number } | undefined
  let attempt: { at: number; failure?: unknown } | undefined
  let flight: Promise<void> | undefined

  async function load(): Promise<void> {
    const signal = AbortSignal.timeout(options.timeoutMs)
    const ask = options.fetch ?? fetch
    const url = options.jwksUri ?? (await discover(ask, options.issuer, signal))
    const document = await readJson(ask, url, signal)
    keys = { resolve: createLocalJWKSet(document as unknown as JSONWebKeySet), at: clock() }
  }

  /** Fetches unless somebody just did; whether it worked is in `attempt.failure`. */
  async function refresh(): Promise<void> {
    if (flight !== undefined) return flight
    if (attempt !== undefined && clock() - attempt.at < options.refetchSeconds) return
    const mine = { at: clock() } as { at: number; failure?: unknown }
    attempt = mine
    flight = load()
      .catch((cause: unknown) => {
        mine.failure = cause
      })
      .finally(() => {
        flight = undefined
      })
    return flight
  }

  function unavailable(): KeysUnavailable {
    const cause = attempt?.failure
    const why = cause instanceof Error ? cause.message : 'no answer'
    return new KeysUnavailable(`cannot fetch the keys of ${options.issuer}: ${why}`, { cause })
  }

  return async (header, token) => {
    if (keys === undefined || clock() - keys.at >= FRESH_SECONDS) await refresh()
    const known = keys
    if (known === undefined || clock() - known.at >= STALE_SECONDS) throw unavailable()
    try {
      return await known.resolve(header, token)
    } catch (cause) {
      if (!(cause instanceof errors.JWKSNoMatchingKey)) throw cause
    }
    await refresh()
    // The key may be a new one: without the issuer's word a 401 would be a guess.
    if (attempt?.failure !== undefined) throw unavailable()
    return await (keys ?? known).resolve(header, token)
  }
}
