import { decodeJwt } from 'jose'

/** What a JWT says of its issuer, to choose by whose keys it must be verified; undefined where it cannot be read. */
export function unverifiedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}
