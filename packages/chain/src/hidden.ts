import type { Fault } from './fault.ts'

/*
 * Faults are logged, printed, and told by endpoints that ask for no credentials. What was found is a
 * part of the file: where that is, or stands beside, a secret, it is not shown.
 */

const SECRET_NAME = /(secret|password|hash|private_key)/i
const SECRET_ON_LINE = /(secret|password|hash|private_key)[\w-]*["']?\s*:/i
export const HIDDEN = 'a value that is not shown'

/** Whether what stands under this name may be a secret. */
export const isSecretName = (name: string) => SECRET_NAME.test(name) || name === 'key'

/** These name a key or a variable, never a value. */
const NAMES_ONLY = new Set(['unknown_key', 'missing_key', 'variable_missing', 'duplicate_key'])

/** The faults, without what they found, and without a mend that repeats it, where that may be a secret. */
export function hideSecrets(faults: readonly Fault[], text: string): Fault[] {
  const lines = faults.length === 0 ? [] : text.split('\n')
  return faults.map((fault) => {
    if (NAMES_ONLY.has(fault.code)) return fault
    const name = fault.key.split('.').at(-1) ?? ''
    const line = lines[fault.at.line - 1] ?? ''
    if (!isSecretName(name) && !SECRET_ON_LINE.test(line)) return fault
    const mend = fault.code === 'yaml_alias' ? 'put the value in quotes' : fault.mend
    return { ...fault, found: HIDDEN, mend, patch: undefined }
  })
}

/** The value as JSON, without the secrets in it. */
export function showValue(value: unknown): string | undefined {
  return JSON.stringify(value, (name, inner) =>
    isSecretName(name) && inner !== null && typeof inner !== 'object' ? '…' : inner,
  )
}
