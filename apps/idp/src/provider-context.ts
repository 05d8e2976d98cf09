import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import type Provider from 'oidc-provider'
import type { Accounts } from './accounts/accounts.ts'
import type { ModelStore } from './adapter/adapter.ts'
import type { Audit } from './audit.ts'
import type { RegisteredClient } from './clients.ts'
import type { Keys } from './keys.ts'
import type { LogoutDelivery } from './logout-delivery.ts'
import type { Metrics } from './metrics.ts'
import type { VerifyOwnToken } from './own-token.ts'
import type { Site } from './site.ts'
import type { TokenPolicy } from './token-policy.ts'

export interface ProviderDeps {
  site: Site
  token: IdpSettings['token']
  clients: ReadonlyMap<string, RegisteredClient>
  keys: Keys
  store: ModelStore
  accounts: Accounts
  verify: VerifyOwnToken
  audit: Audit
  metrics: Metrics
  clientCertificates: boolean
  logouts: LogoutDelivery
}

/** What the parts of the provider share. */
export interface Context extends ProviderDeps {
  policy: TokenPolicy
  /** There once the provider is constructed: its hooks need it, and it needs its hooks. */
  provider: () => Provider
  /** When the user's session ends, in seconds since the epoch; undefined when it has ended. */
  sessionEnd(uid: string, sub: string): Promise<number | undefined>
}
