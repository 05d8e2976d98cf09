import type { Observation } from '@audience-bridge/chain/observation.ts'

/** Failures of one kind by callers without a session, counted instead of kept one by one. */
export interface FailureCount {
  problem: string
  method: string
  /** The route's id, or empty. */
  route: string
  status: number
  count: number
  first_at: string
  last_at: string
  /** One request of the kind that can be explained, while it is kept. */
  last_id: string
}

/**
 * The requests of late, for explanations. Bounded in bytes whatever happens: successes and failures
 * without a session push out their own oldest, so that nobody can flood out the failures of users,
 * which stay for a day.
 */
export interface TraceStore {
  /** Whether one more would be kept now; making one costs more than keeping it. */
  hasRoom(status: number): boolean
  /** Takes microseconds, never throws, never waits: written a moment later. */
  record(observation: Observation): void
  /** All requests that came with this correlation id, newest first: callers may choose the id. */
  find(id: string): Promise<Observation[]>
  recent(filter: { failed: boolean; limit: number }): Promise<Observation[]>
  failureCounts(limit: number): Promise<FailureCount[]>
  close(): Promise<void>
}
