import type { KeyPath } from './document.ts'

/** A value as YAML holds it. */
export type YamlValue =
  | string
  | number
  | boolean
  | readonly YamlValue[]
  | { readonly [key: string]: YamlValue }

/** One change of a configuration file, by key path; everything else stays byte for byte. */
export type Edit =
  /** Sets the value at `path`; missing keys on the way are made. */
  | { op: 'set'; path: KeyPath; value: YamlValue }
  /** Adds an item at the end of the list at `path`; a missing list is made. */
  | { op: 'append'; path: KeyPath; value: YamlValue }
  /** Removes the key or item at `path`. */
  | { op: 'remove'; path: KeyPath }
  /** Gives the key at `path` another name. */
  | { op: 'rename'; path: KeyPath; to: string }

/** A mend that can be applied as given. */
export interface Patch {
  /** The file as faults name it. */
  file: string
  edits: readonly Edit[]
}
