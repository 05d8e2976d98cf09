import type Provider from 'oidc-provider'
import { AlreadyConsumed, type ModelStore } from './adapter/adapter.ts'

/**
 * Ends the whole grant when one of its codes or refresh tokens is used once more than it may be.
 * The library does so for what it finds used; of several uses at the same moment it finds none used.
 */
export function endReplayedGrants(provider: Provider): void {
  for (const model of [provider.AuthorizationCode, provider.RefreshToken]) {
    const { prototype } = model
    const consume = prototype.consume
    prototype.consume = async function (this: typeof prototype) {
      try {
        await consume.call(this)
      } catch (error) {
        // The attack: a stolen token, used in the very moment in which its owner uses it.
        if (error instanceof AlreadyConsumed) await endGrant(provider, this.grantId)
        throw error
      }
    }
  }
}

/** Ends a grant: no token of it is taken, shown or exchanged from here on. */
export async function endGrant(provider: Provider, grantId: string | undefined): Promise<void> {
  if (grantId === undefined) return
  await (await provider.Grant.find(grantId))?.destroy()
  const tokens = [provider.AccessToken, provider.RefreshToken, provider.AuthorizationCode]
  await Promise.all(tokens.map((model) => model.revokeByGrantId(grantId)))
}

/**
 * The library remembers a proof for 300 s from its use, and takes one whose time is up to 300 s ahead:
 * such a proof could be used again in the 300 s that follow.
 */
const AHEAD_SECONDS = 300

/**
 * What may be used once (client assertions, DPoP proofs) is claimed by one write. The library looks
 * first and writes then, and would take a copy that comes at the same moment.
 */
export function claimOnce(provider: Provider, store: ModelStore): void {
  const unique = async (issuer: string, jti: string, expiresAt: number) =>
    store.claim(`${issuer}\n${jti}`, expiresAt + AHEAD_SECONDS)
  Object.defineProperty(provider.ReplayDetection, 'unique', { value: unique })
}
