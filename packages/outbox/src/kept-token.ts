/** How long before its expiry a token is replaced, so that none expires on its way. */
const REFRESH_BEFORE_MS = 30_000
/** For an answer that does not say. */
const ASSUMED_SECONDS = 60

/** What an issuer gave. */
export interface Issued {
  token: string
  expiresInSeconds: number | undefined
}

/**
 * A function that returns a token: kept until 30 s before it expires (a token of less than a minute:
 * for half its life), and concurrent calls share a request.
 *
 * @param now milliseconds since the epoch.
 * @returns a function that rejects as `ask` does; the next call tries anew. A token passed as `refused`
 *   is not returned again.
 */
export function keptToken(
  ask: () => Promise<Issued>,
  now: () => number = Date.now,
): (refused?: string) => Promise<string> {
  let kept: { token: string; freshUntil: number } | undefined
  let flight: Promise<string> | undefined

  const fetchToken = async (): Promise<string> => {
    const { token, expiresInSeconds = ASSUMED_SECONDS } = await ask()
    const lifeMs = expiresInSeconds * 1000
    kept = { token, freshUntil: now() + Math.max(lifeMs - REFRESH_BEFORE_MS, lifeMs / 2) }
    return token
  }

  return async (refused) => {
    if (kept !== undefined && kept.token !== refused && now() < kept.freshUntil) return kept.token
    flight ??= fetchToken().finally(() => {
      flight = undefined
    })
    return flight
  }
}
