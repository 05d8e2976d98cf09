import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Accounts } from './accounts/accounts.ts'
import { releasedClaims } from './claims.ts'
import type { SubjectResult } from './exchange.ts'
import { sendJson } from './http.ts'
import type { VerifyProof } from './provider-dpop.ts'

export interface UserinfoDeps {
  readSubject(token: string): Promise<SubjectResult>
  verifyProof: VerifyProof
  accounts: Accounts
  /** The audience of login tokens; a token for a service opens nothing here. */
  loginAudience: string
}

/**
 * `GET` and `POST /userinfo` (OIDC Core §5.3) with a login's own access token. Ours and not the
 * library's, which knows opaque tokens without an audience only (RFC 9068 asks for one).
 */
export function userinfoHandler({
  readSubject,
  verifyProof,
  accounts,
  loginAudience,
}: UserinfoDeps) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (req.method !== 'GET' && req.method !== 'POST') {
      return sendJson(res, 405, { error: 'invalid_request' }, { allow: 'GET, POST' })
    }
    const [scheme = '', token = '', ...rest] = (req.headers.authorization ?? '').split(' ')
    const bound = scheme.toLowerCase() === 'dpop'
    if ((!bound && scheme.toLowerCase() !== 'bearer') || token === '' || rest.length > 0) {
      return challenge(res, 401, undefined, 'send a login access token as Bearer or DPoP')
    }
    const read = await readSubject(token)
    if (read.kind !== 'live') return challenge(res, 401, 'invalid_token', read.because)

    const { subject } = read
    // The attack: a bound token that was stolen without its key is sent as if it were not bound.
    if (bound !== (subject.jkt !== undefined)) {
      const because = bound ? 'the token is not bound to a key' : 'the token is bound to a key'
      return challenge(res, 401, 'invalid_token', because)
    }
    if (bound) {
      const proof = await verifyProof(req, res, { value: token, clientId: subject.clientId })
      if (proof.kind === 'refused') {
        return challenge(res, 401, proof.error, proof.description, 'DPoP')
      }
      if (proof.thumbprint !== subject.jkt) {
        return challenge(res, 401, 'invalid_token', 'the proof is of another key', 'DPoP')
      }
    }
    if (subject.actor || subject.audience !== loginAudience) {
      return challenge(
        res,
        401,
        'invalid_token',
        `the token is not for audience '${loginAudience}'`,
      )
    }
    const scopes = new Set(subject.scopes)
    if (!scopes.has('openid')) {
      return challenge(res, 403, 'insufficient_scope', 'the token lacks scope openid')
    }
    const user = accounts.find(subject.sub)
    if (user === undefined) return challenge(res, 401, 'invalid_token', 'the user is gone')
    sendJson(res, 200, {
      ...releasedClaims(user, scopes),
      ...(subject.sid === undefined ? {} : { sid: subject.sid }),
    })
  }
}

function challenge(
  res: ServerResponse,
  status: number,
  error: string | undefined,
  description: string,
  scheme = 'Bearer',
): void {
  const params = error === undefined ? '' : ` error="${error}", error_description="${description}"`
  sendJson(
    res,
    status,
    { error: error ?? 'invalid_token', error_description: description },
    { 'www-authenticate': `${scheme}${params}` },
  )
}
