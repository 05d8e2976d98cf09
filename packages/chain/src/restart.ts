import type { ConfigDocument, KeyPath } from './document.ts'
import type { Fault } from './fault.ts'
import { HIDDEN, isSecretName, showValue } from './hidden.ts'

/**
 * The keys below `fixed` whose value differs from the one in force: a process cannot take them over
 * while it runs (a port it listens on, a store it has open). They refuse a reload as a whole, because
 * the rest of the change may be meant to go with them.
 *
 * @param fixed for example `['server', 'store.path']`.
 */
export function restartFaults<T>(
  { placeOf }: Pick<ConfigDocument<T>, 'placeOf'>,
  inForce: T,
  wanted: T,
  fixed: readonly string[],
): Fault[] {
  return fixed.flatMap((name) => {
    const path = name.split('.')
    return differences(path, valueAt(inForce, path), valueAt(wanted, path)).map(
      ({ key, before, after }): Fault => ({
        kind: 'malformed',
        code: 'needs_restart',
        at: placeOf(key),
        key: key.join('.'),
        found: shown(key, after),
        expected: `${shown(key, before)}, which is in force: this key needs a restart`,
        mend: 'put the value back, or restart the process',
      }),
    )
  })
}

interface Difference {
  key: KeyPath
  before: unknown
  after: unknown
}

function differences(key: KeyPath, before: unknown, after: unknown): Difference[] {
  if (isMap(before) && isMap(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    return [...names].flatMap((name) => differences([...key, name], before[name], after[name]))
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ key, before, after }]
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, step) => (isMap(value) ? value[step] : undefined), root)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Faults are logged and told to administrators: not even an old password is shown. */
function shown(key: KeyPath, value: unknown): string {
  if (value === undefined) return 'nothing'
  return isSecretName(String(key.at(-1))) ? HIDDEN : String(showValue(value))
}
