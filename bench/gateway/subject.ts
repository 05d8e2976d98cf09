/** Somebody who is measured: ourselves, or one who does a part of the same work. */
export interface Subject {
  name: string
  port: number
  /** Its processes; their children are counted with them. */
  pids: readonly number[]
  path: string
  agent: string
  callers: readonly Caller[]
}

/** The headers of one user, and what the token ends with that the backend must get for them. */
export interface Caller {
  cookie: string
  token: string
  /** For what changes something; only where the subject asks for it. */
  csrf?: string
}

/** How much of a token's end the backend tells. */
export const TOKEN_END = 24

/** A token like ours in size, for those who know but one. */
export const FIXED = `${'f'.repeat(876)}fixed-token-of-the-bench`
