import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { Caller } from './caller.ts'

export type RunStatus = 'running' | 'succeeded' | 'failed'

export interface RunStep {
  name: string
  status: RunStatus
  error: string | null
  duration_ms: number | null
}

export interface Run {
  id: string
  workflow: string
  status: RunStatus
  error: string | null
  /** The `sub` on whose behalf it runs. */
  subject: string
  started_at: string
  ended_at: string | null
  steps: RunStep[]
}

export interface RunStore {
  start(workflow: string, input: unknown, caller: Caller): string
  startStep(run: string, place: number, name: string): void
  endStep(run: string, place: number, durationMs: number, error?: string): void
  end(run: string, error?: string): void
  read(id: string): Run | undefined
  /** Runs that an earlier process left running, with whom they were for. */
  abandoned(): { id: string; workflow: string; caller: Caller; startedAt: string }[]
  /** Keeps what a step made. */
  keep(run: string, kind: string, body: string): string
}

export function runStore(db: DatabaseSync): RunStore {
  const insert = db.prepare(`
    INSERT INTO runs (id, workflow, input, status, subject, roles, started_at)
    VALUES (?, ?, ?, 'running', ?, ?, ?)`)
  const end = db.prepare('UPDATE runs SET status = ?, error = ?, ended_at = ? WHERE id = ?')
  const insertStep = db.prepare(
    "INSERT INTO steps (run, place, name, status) VALUES (?, ?, ?, 'running')",
  )
  const endStep = db.prepare(
    'UPDATE steps SET status = ?, error = ?, duration_ms = ? WHERE run = ? AND place = ?',
  )
  const byId = db.prepare('SELECT * FROM runs WHERE id = ?')
  const stepsOf = db.prepare('SELECT * FROM steps WHERE run = ? ORDER BY place')
  const running = db.prepare("SELECT * FROM runs WHERE status = 'running'")
  const keep = db.prepare(
    'INSERT INTO documents (id, run, kind, body, created_at) VALUES (?, ?, ?, ?, ?)',
  )
  const outcome = (error: string | undefined) => (error === undefined ? 'succeeded' : 'failed')

  return {
    start(workflow, input, { subject, roles }) {
      const id = randomUUID()
      const now = new Date().toISOString()
      insert.run(id, workflow, JSON.stringify(input), subject, JSON.stringify(roles), now)
      return id
    },
    startStep: (run, place, name) => void insertStep.run(run, place, name),
    endStep: (run, place, durationMs, error) =>
      void endStep.run(outcome(error), error ?? null, durationMs, run, place),
    end: (run, error) => void end.run(outcome(error), error ?? null, new Date().toISOString(), run),
    read(id) {
      const row = byId.get(id)
      if (row === undefined) return undefined
      return {
        id,
        workflow: String(row.workflow),
        status: toStatus(row.status),
        error: toText(row.error),
        subject: String(row.subject),
        started_at: String(row.started_at),
        ended_at: toText(row.ended_at),
        steps: stepsOf.all(id).map((step) => ({
          name: String(step.name),
          status: toStatus(step.status),
          error: toText(step.error),
          duration_ms: step.duration_ms === null ? null : Number(step.duration_ms),
        })),
      }
    },
    abandoned: () =>
      running.all().map((row) => ({
        id: String(row.id),
        workflow: String(row.workflow),
        caller: { subject: String(row.subject), roles: JSON.parse(String(row.roles)) },
        startedAt: String(row.started_at),
      })),
    keep(run, kind, body) {
      const id = randomUUID()
      keep.run(id, run, kind, body, new Date().toISOString())
      return id
    },
  }
}

function toStatus(value: unknown): RunStatus {
  return value === 'succeeded' || value === 'failed' ? value : 'running'
}

function toText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
