import type { z } from 'zod'
import { type ConfigDocument, readDocument } from './document.ts'
import { formatFaults } from './fault.ts'
import { restartFaults } from './restart.ts'
import type { Environment } from './variables.ts'

/** What a process that runs cannot take over, and what it started with. */
export interface Running<T> {
  inForce: T
  /** Names of keys, for example `server` or `store.path`. */
  fixed: readonly string[]
}

export interface SettingsReading<T> {
  /** Undefined exactly when there is a fault. */
  value: T | undefined
  /** One line each. */
  faults: string[]
}

/**
 * A process's settings from the text of their file, at its start and again while it runs.
 *
 * @param text undefined when the file cannot be read.
 * @param running of a process that runs: then a change of what needs a restart is a fault.
 */
export function readSettings<T>(
  { file, text }: { file: string; text: string | undefined },
  schema: z.ZodType<T>,
  env: Environment,
  running?: Running<T>,
): SettingsReading<T> {
  if (text === undefined) return { value: undefined, faults: [`cannot read ${file}`] }
  const document = readDocument({ file, text }, schema, env)
  const { value } = document
  const faults = [...document.faults, ...needsRestart(document, running)]
  if (value !== undefined && faults.length === 0) return { value, faults: [] }
  return { value: undefined, faults: formatFaults(faults).split('\n') }
}

function needsRestart<T>(document: ConfigDocument<T>, running: Running<T> | undefined) {
  if (running === undefined || document.value === undefined) return []
  return restartFaults(document, running.inForce, document.value, running.fixed)
}
