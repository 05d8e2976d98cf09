import type { WorkflowsQuery, WorkflowsResponse } from '@audience-bridge/contracts/analytics.ts'
import type { Engine, Params } from '../engine/engine.ts'
import { bucketOf, count, filterOf, rate, type Viewer } from './filter.ts'
import { gridOf, instant, type Window, windowOf } from './window.ts'

/** A run that ends more than a day after the window still counts, as running. */
const RUN_TAIL_MS = 24 * 3_600_000

/** Steps listed for each workflow. */
const FAILING_STEPS = 5

/**
 * One row a run, made of its events. A run belongs to the window that it started in; when its start
 * was not reported, the end less the duration stands for it. The last reported end decides how it
 * ended, so that a run repeated after a failure counts once.
 */
function runsSql(where: string): string {
  return `
    SELECT workflow, service, workflow_id,
      countIf(run_status = 'started') > 0 AS has_start,
      countIf(run_status != 'started') > 0 AS has_end,
      argMaxIf(run_status, time, run_status != 'started') AS ending,
      argMaxIf(elapsed_ms, time, run_status != 'started' AND elapsed_ms IS NOT NULL) AS reported_ms,
      maxIf(time, run_status != 'started') AS ended_at,
      if(has_start, minIf(time, run_status = 'started'),
        ended_at - toIntervalMillisecond(toInt64(ifNull(reported_ms, 0)))) AS started_at,
      multiIf(NOT has_end, NULL, reported_ms IS NOT NULL, reported_ms, has_start,
        toFloat64(toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(started_at)), NULL
      ) AS duration_ms
    FROM events
    WHERE ${where} AND step = ''
    GROUP BY workflow, service, workflow_id
    HAVING started_at >= {from: DateTime64(3, 'UTC')}
      AND started_at < {started_before: DateTime64(3, 'UTC')}`
}

const TALLY = `
  count() AS runs,
  countIf(ending = 'succeeded') AS succeeded,
  countIf(ending = 'failed') AS failed,
  countIf(NOT has_end) AS running`

const QUANTILES = `
  quantileTDigestOrNull(0.5)(duration_ms) AS p50,
  quantileTDigestOrNull(0.95)(duration_ms) AS p95`

interface Tally {
  runs: string
  succeeded: string
  failed: string
  running: string
}

interface Quantiles {
  p50: number | null
  p95: number | null
}

interface StepRow {
  workflow: string
  service: string
  step: string
  failures: string
  last_error: string
}

function tallyOf(row: Tally & Quantiles) {
  const succeeded = count(row.succeeded)
  const failed = count(row.failed)
  return {
    runs: count(row.runs),
    succeeded,
    failed,
    running: count(row.running),
    failure_rate: rate(failed, succeeded + failed),
    duration_p50_ms: row.p50,
    duration_p95_ms: row.p95,
  }
}

const NOTHING = { runs: '0', succeeded: '0', failed: '0', running: '0', p50: null, p95: null }

/** How workflows ran, and which of their steps fail. */
export async function readWorkflows(
  engine: Engine,
  query: WorkflowsQuery,
  viewer: Viewer,
  nowMs: number,
): Promise<WorkflowsResponse> {
  const window = windowOf(query, nowMs)
  const grid = gridOf(window, query.interval)
  const runs = runFilter(window, query, viewer)
  const steps = stepFilter(window, query, viewer)

  const [totals, points, workflows, failing] = await Promise.all([
    engine.query<Tally & Quantiles>(
      `SELECT ${TALLY}, ${QUANTILES} FROM (${runsSql(runs.where)})`,
      runs.params,
    ),
    engine.query<Tally & { bucket: string }>(
      `SELECT ${bucketOf('started_at')} AS bucket, ${TALLY}
      FROM (${runsSql(runs.where)}) GROUP BY bucket`,
      { ...runs.params, origin: grid.originMs, size: grid.sizeMs },
    ),
    engine.query<Tally & Quantiles & { workflow: string; service: string; last_run_ms: string }>(
      `SELECT workflow, service, ${TALLY}, ${QUANTILES},
        toUnixTimestamp64Milli(max(started_at)) AS last_run_ms
      FROM (${runsSql(runs.where)})
      GROUP BY workflow, service
      ORDER BY runs DESC, workflow, service LIMIT {limit: UInt32}`,
      { ...runs.params, limit: query.limit },
    ),
    engine.query<StepRow>(
      `SELECT workflow, service, step, count() AS failures, argMax(error, time) AS last_error
      FROM events WHERE ${steps.where} AND step != '' AND run_status = 'failed'
      GROUP BY workflow, service, step
      ORDER BY failures DESC, step LIMIT {steps: UInt8} BY workflow, service`,
      { ...steps.params, steps: FAILING_STEPS },
    ),
  ])

  const byBucket = new Map(points.map((row) => [count(row.bucket), row]))
  return {
    from: instant(window.fromMs),
    to: instant(window.toMs),
    view: viewer.view,
    interval: grid.interval,
    totals: tallyOf(totals[0] ?? NOTHING),
    series: grid.starts.map((start, i) => {
      const point = byBucket.get(i) ?? NOTHING
      return {
        start,
        runs: count(point.runs),
        succeeded: count(point.succeeded),
        failed: count(point.failed),
      }
    }),
    workflows: workflows.map((row) => ({
      workflow: row.workflow,
      service: row.service,
      ...tallyOf(row),
      last_run_at: instant(count(row.last_run_ms)),
      failing_steps: failing
        .filter(({ workflow, service }) => workflow === row.workflow && service === row.service)
        .map(({ step, failures, last_error }) => ({
          step,
          failures: count(failures),
          last_error: last_error === '' ? null : last_error,
        })),
    })),
  }
}

function stepFilter(window: Window, query: WorkflowsQuery, viewer: Viewer) {
  const filter = filterOf('workflow', window, query, viewer)
  if (query.workflow === undefined) return filter
  return {
    where: `${filter.where} AND workflow = {workflow: String}`,
    params: { ...filter.params, workflow: query.workflow.toWellFormed() } as Params,
  }
}

function runFilter(window: Window, query: WorkflowsQuery, viewer: Viewer) {
  const wider = { fromMs: window.fromMs, toMs: window.toMs + RUN_TAIL_MS }
  const filter = stepFilter(wider, query, viewer)
  const { to: started_before } = filterOf('workflow', window, query, viewer).params
  return { ...filter, params: { ...filter.params, started_before } as Params }
}
