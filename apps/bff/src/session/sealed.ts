import { cardOf, sealCard } from './card.ts'
import {
  readRecord,
  recordOf,
  type ServiceToken,
  type SessionContent,
  type SessionRecord,
} from './session.ts'
import { type StoreKeys, seal, type Ticket, unseal } from './ticket.ts'

/* What of a session goes into the store, and back: sealed under its ticket's own key. */

export function sealSession(content: SessionContent, ticket: Ticket, keys: StoreKeys) {
  return {
    sealed: seal(ticket.dataKey, ticket.id, recordOf(content)),
    card: sealCard(cardOf(content), ticket.id, keys),
  }
}

/** @returns undefined for what this ticket does not open or this version does not understand. */
export function openSession(ticket: Ticket, sealed: Uint8Array): SessionContent | undefined {
  const record = unseal(ticket.dataKey, ticket.id, sealed) as SessionRecord | undefined
  return record?.v === 2 ? readRecord(record) : undefined
}

export const sealToken = (ticket: Ticket, token: ServiceToken) =>
  seal(ticket.dataKey, tokenContext(ticket, token.service), token)

export function openToken(
  ticket: Ticket,
  service: string,
  sealed: Uint8Array,
): ServiceToken | undefined {
  const token = unseal(ticket.dataKey, tokenContext(ticket, service), sealed)
  return token as ServiceToken | undefined
}

/** A token's record opens under its own session and service alone. */
const tokenContext = ({ id }: Ticket, service: string) => `${id}/${service}`
