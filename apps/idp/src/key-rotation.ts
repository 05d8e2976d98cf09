import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'
import { type Keys, makeSigningKey } from './keys.ts'

/*
 * Signing keys by age. A new key is published an hour before it signs, so that whoever keeps our keys
 * for a while knows it when the first token comes. The old one goes when nothing that it signed counts
 * any more: the last to count is an ID token, with which a client asks for its user's sign-out.
 */

export const AHEAD_SECONDS = 3600
/** For clocks that differ. */
const SLACK_SECONDS = 300

type TokenSettings = Pick<
  IdpSettings['token'],
  'signing_key_days' | 'login_seconds' | 'access_token_seconds'
>

/** What the keys are to be from `now` on; undefined while they are right. */
export async function rotateKeys(
  keys: Keys,
  { signing_key_days: days, login_seconds, access_token_seconds }: TokenSettings,
  now: number,
): Promise<Keys | undefined> {
  if (days === 0) return undefined
  const keepSeconds = Math.max(login_seconds, access_token_seconds) + SLACK_SECONDS
  const [newest] = keys.signing
  // A key of unknown age counts as old.
  const due = (newest?.nbf ?? newest?.iat ?? 0) + days * 86_400 - AHEAD_SECONDS
  const added = now < due ? [] : [await makeSigningKey(now, now + AHEAD_SECONDS)]
  const signing = [...added, ...keys.signing].filter((_key, index, all) => {
    const successor = index === 0 ? undefined : all[index - 1]
    const began = successor?.nbf ?? successor?.iat
    return began === undefined || now < began + keepSeconds
  })
  const same = added.length === 0 && signing.length === keys.signing.length
  return same ? undefined : { ...keys, signing }
}
