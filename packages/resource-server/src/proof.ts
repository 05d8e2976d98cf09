import { createHash } from 'node:crypto'
import { calculateJwkThumbprint, EmbeddedJWK, errors, type JWK, jwtVerify } from 'jose'
import type { NonceSource } from './nonce.ts'
import type { ProofLedger } from './replay.ts'

/** Asymmetric only (RFC 9449 §4.2): a shared secret would prove nothing about who holds the key. */
export const PROOF_ALGORITHMS = ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA']

const MAX_PROOF_CHARS = 8192
const MAX_JTI_CHARS = 256

/** What of a request a proof must speak of. */
export interface ProvenRequest {
  method: string
  /**
   * The URL that the client called. Build it from the address that you are configured with: who sends
   * the request chooses its `Host`. The query does not matter.
   */
  url: string
  /** The value of the `DPoP` header. */
  dpop: string | readonly string[] | undefined
}

export type ProofJudgement =
  | { kind: 'proven' }
  | { kind: 'refused'; error: 'invalid_dpop_proof' | 'use_dpop_nonce'; description: string }

/**
 * Whether the sender of a request holds the key that the token is bound to (RFC 9449 §4.3).
 *
 * @param jkt thumbprint of that key, from the verified token.
 */
export async function judgeProof(
  { method, url, dpop }: ProvenRequest,
  bound: { token: string; jkt: string },
  rules: {
    now: number
    toleranceSeconds: number
    nonces: NonceSource | undefined
    ledger: ProofLedger
  },
): Promise<ProofJudgement> {
  const bad = (description: string): ProofJudgement => ({
    kind: 'refused',
    error: 'invalid_dpop_proof',
    description,
  })
  if (dpop === undefined) return bad('the request has no DPoP header')
  // Two proofs: whoever checks the first and believes the second is fooled.
  if (typeof dpop !== 'string' || dpop.includes(',')) return bad('the request has several proofs')
  if (dpop.length > MAX_PROOF_CHARS) return bad('the proof is too long')

  const proof = await readProof(dpop, rules)
  if (typeof proof === 'string') return bad(proof)
  const { jwk, claims } = proof
  // Anybody can make a proof with a key of their own; only the token says which key counts.
  if ((await calculateJwkThumbprint(jwk)) !== bound.jkt) {
    return bad('the proof is signed with another key than the one the token is bound to')
  }
  // A proof caught on its way to one place must open no other.
  if (claims.htm !== method) return bad(`the proof is for another method than ${method}`)
  if (!sameTarget(claims.htu, url)) return bad(`the proof is for another URL than ${url}`)
  // Nor another token of the same key (RFC 9449 §4.3, ath).
  if (claims.ath !== tokenHash(bound.token)) return bad('the proof is for another token')
  // A clock ahead of ours would let proofs be made in stock for later.
  if (Math.abs(claims.iat - rules.now) > rules.toleranceSeconds) {
    return bad(`the proof is not of now: its iat is off by ${claims.iat - rules.now} s`)
  }
  if (rules.nonces !== undefined && !rules.nonces.accepts(claims.nonce)) {
    return {
      kind: 'refused',
      error: 'use_dpop_nonce',
      description: 'the proof must carry the nonce of the DPoP-Nonce header',
    }
  }
  // Last: a proof that was refused for another reason was not used.
  const until = claims.iat + rules.toleranceSeconds
  const first = await rules.ledger(`${bound.jkt} ${claims.jti}`, until)
  return first ? { kind: 'proven' } : bad('the proof was used before')
}

/** `ath`: base64url of the SHA-256 of the token. */
export const tokenHash = (token: string) => createHash('sha256').update(token).digest('base64url')

interface ProofClaims {
  jti: string
  htm: string
  htu: string
  iat: number
  ath: string | undefined
  nonce: string | undefined
}

/** What a proof says, its signature checked by the key that it carries; or why it is none. */
async function readProof(
  proof: string,
  { now, toleranceSeconds }: { now: number; toleranceSeconds: number },
): Promise<{ jwk: JWK; claims: ProofClaims } | string> {
  try {
    // EmbeddedJWK refuses a private key: whoever publishes that has no secret left to prove.
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: PROOF_ALGORITHMS,
      currentDate: new Date(now * 1000),
      clockTolerance: toleranceSeconds,
    })
    const { jti, htm, htu, iat, ath, nonce } = payload
    if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_CHARS) {
      return 'the proof has no jti, or an endless one'
    }
    if (typeof htm !== 'string' || typeof htu !== 'string' || iat === undefined) {
      return 'the proof lacks htm, htu or iat'
    }
    return {
      jwk: protectedHeader.jwk as JWK,
      claims: {
        ...{ jti, htm, htu, iat },
        ath: typeof ath === 'string' ? ath : undefined,
        nonce: typeof nonce === 'string' ? nonce : undefined,
      },
    }
  } catch (cause) {
    if (cause instanceof errors.JOSEError || cause instanceof TypeError) {
      return 'the proof is no JWT of the type dpop+jwt, signed with the public key in its head'
    }
    throw cause
  }
}

/** Without query and fragment, and normalised as URLs are (RFC 9449 §4.3 note, RFC 3986 §6.2.2). */
function sameTarget(htu: string, url: string): boolean {
  const bare = (text: string) => {
    const parsed = URL.parse(text)
    return parsed === null ? undefined : `${parsed.origin}${parsed.pathname}`
  }
  const target = bare(htu)
  return target !== undefined && target === bare(url)
}
