/** What a worker may ask of all: their metrics together, or to read the configuration now. */
export type Question = 'metrics' | 'reload'

/** To the primary. */
export type FromWorker =
  | { kind: 'ask'; id: number; question: Question }
  /** To a question that the primary passed on; `value` is absent when it could not be answered. */
  | { kind: 'answer'; id: number; value?: unknown }

/** To a worker. */
export type FromPrimary =
  | { kind: 'asked'; id: number; question: Question }
  /** What all said to its own question. */
  | { kind: 'told'; id: number; value?: unknown }
  | { kind: 'stop' }
