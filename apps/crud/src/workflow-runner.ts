import { setImmediate as nextTurn } from 'node:timers/promises'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Caller } from './caller.ts'
import type { ProjectStore } from './project-store.ts'
import type { Reporter } from './reporter.ts'
import type { RunStore } from './run-store.ts'
import { type StepContext, StepFailure, type Workflow, type WorkflowInput } from './workflow.ts'

/** Runs workflows one step a turn of the event loop, and reports every change of state. */
export interface WorkflowRunner {
  /**
   * Returns the run's id at once; the steps follow.
   *
   * @throws ProblemError `OVERLOADED` when too many runs are under way.
   */
  start(workflow: Workflow, input: WorkflowInput, caller: Caller): string
  /** Resolves once nothing is under way. */
  drained(): Promise<void>
}

export interface RunnerDeps {
  projects: ProjectStore
  runs: RunStore
  reporter: Reporter
  log: Logger
  /** Runs under way at most. */
  maxRunning?: number
}

const INTERRUPTED = 'the service stopped while it ran'

export function createRunner(deps: RunnerDeps): WorkflowRunner {
  const { projects, runs, reporter, log, maxRunning = 100 } = deps
  const running = new Set<Promise<void>>()
  failAbandoned(runs, reporter)

  const runStep = (
    context: StepContext,
    step: Workflow['steps'][number],
    place: number,
    report: (
      status: 'started' | 'succeeded' | 'failed',
      durationMs?: number,
      error?: string,
    ) => void,
  ): string | undefined => {
    runs.startStep(context.runId, place, step.name)
    report('started')
    const start = performance.now()
    let error: string | undefined
    try {
      step.run(context)
    } catch (cause) {
      error = cause instanceof StepFailure ? cause.message : 'internal error'
      if (!(cause instanceof StepFailure)) {
        log.error({ err: cause, run: context.runId, step: step.name }, 'workflow step broke')
      }
    }
    const durationMs = performance.now() - start
    runs.endStep(context.runId, place, durationMs, error)
    report(error === undefined ? 'succeeded' : 'failed', durationMs, error)
    return error
  }

  const run = async (workflow: Workflow, context: StepContext, caller: Caller) => {
    const head = { workflow: workflow.name, runId: context.runId, caller }
    const start = performance.now()
    let error: string | undefined
    for (const [place, step] of workflow.steps.entries()) {
      await nextTurn()
      error = runStep(context, step, place, (status, durationMs, stepError) =>
        reporter.workflow({ ...head, step: step.name, status, ...optional(durationMs, stepError) }),
      )
      if (error !== undefined) break
    }
    runs.end(context.runId, error)
    const status = error === undefined ? 'succeeded' : 'failed'
    reporter.workflow({ ...head, status, ...optional(performance.now() - start, error) })
  }

  return {
    start(workflow, input, caller) {
      if (running.size >= maxRunning) {
        throw new ProblemError('OVERLOADED', `${running.size} runs are under way; try again soon`, {
          headers: { 'retry-after': '1' },
        })
      }
      const runId = runs.start(workflow.name, input, caller)
      reporter.workflow({ workflow: workflow.name, runId, status: 'started', caller })
      const context: StepContext = { runId, input, projects, runs, found: new Map() }
      const work = run(workflow, context, caller)
        .catch((cause: unknown) => log.error({ err: cause, run: runId }, 'workflow run broke'))
        .finally(() => running.delete(work))
      running.add(work)
      return runId
    },
    async drained() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

/** What a crash left running would otherwise look as if it ran for ever. */
function failAbandoned(runs: RunStore, reporter: Reporter): void {
  for (const { id, workflow, caller, startedAt } of runs.abandoned()) {
    runs.end(id, INTERRUPTED)
    const durationMs = Math.max(0, Date.now() - Date.parse(startedAt))
    reporter.workflow({
      workflow,
      runId: id,
      status: 'failed',
      durationMs,
      error: INTERRUPTED,
      caller,
    })
  }
}

function optional(
  durationMs: number | undefined,
  error: string | undefined,
): { durationMs?: number; error?: string } {
  return {
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(error === undefined ? {} : { error }),
  }
}
