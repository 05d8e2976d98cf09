import type { Accounts } from './accounts/accounts.ts'
import type { SubjectResult } from './exchange.ts'
import type { VerifyOwnToken } from './own-token.ts'

/** What is kept of an issued token, under its `jti`. */
export interface IssuedRow {
  grantId: string
  sessionUid?: string | undefined
  sid?: string | undefined
  jkt?: string | undefined
  scopes: ReadonlySet<string>
}

/** What the provider has stored, as far as a login's life is concerned. */
export interface LoginRecords {
  userToken(jti: string): Promise<IssuedRow | undefined>
  isMachineToken(jti: string): Promise<boolean>
  grant(id: string): Promise<{ accountId?: string | undefined; remainingTTL: number } | undefined>
  sessionLives(uid: string, sub: string): Promise<boolean>
}

/**
 * Reads an access token of ours and the login behind it, as it stands now: the signature alone
 * would let a token outlive the sign-out or the revocation of its grant.
 */
export function subjectReader(verify: VerifyOwnToken, records: LoginRecords, accounts: Accounts) {
  return async (jwt: string): Promise<SubjectResult> => {
    const verified = await verify(jwt)
    if (verified.kind === 'invalid') return { kind: 'unusable', because: verified.because }
    const { jti, sub, clientId, audience, actor } = verified.token

    const row = await records.userToken(jti)
    if (row === undefined) {
      return (await records.isMachineToken(jti))
        ? { kind: 'unusable', because: 'it belongs to a machine, not to a user' }
        : ended('the token or its grant has been revoked')
    }
    const { grantId, sessionUid, sid, jkt } = row
    const grant = await records.grant(grantId)
    if (grant?.accountId !== sub) return ended('its grant has been revoked or has expired')
    if (sessionUid === undefined || !(await records.sessionLives(sessionUid, sub))) {
      return ended('the user has signed out, or the session has expired')
    }
    if (accounts.find(sub) === undefined) return ended('the user is gone')

    const scopes = [...row.scopes]
    const grantSeconds = grant.remainingTTL
    return {
      kind: 'live',
      subject: {
        ...{ sub, clientId, audience, actor, scopes },
        ...{ grantId, sessionUid, sid, grantSeconds, jkt },
      },
    }
  }
}

const ended = (because: string): SubjectResult => ({ kind: 'ended', because })
