import {
  type ClientCredentials,
  clientCredentialsToken,
} from '@audience-bridge/outbox/client-credentials.ts'

/** The token with which events are sent, as the settings in force and their secret have it. */
export interface EventsToken {
  as: ClientCredentials
  read: (refused?: string) => Promise<string>
}

/** @param before kept, with the token that it holds, where it says the same. */
export function eventsTokenOf(as: ClientCredentials, before?: EventsToken): EventsToken {
  if (before !== undefined && JSON.stringify(before.as) === JSON.stringify(as)) return before
  return { as, read: clientCredentialsToken(as) }
}
