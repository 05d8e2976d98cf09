import type { VerifiedToken } from '@audience-bridge/resource-server/verifier.ts'

/** Who a request speaks for, as the verified token says; nothing else is believed. */
export interface Caller {
  subject: string
  roles: string[]
}

export function callerOf({ subject, roles }: VerifiedToken): Caller {
  return { subject, roles }
}
