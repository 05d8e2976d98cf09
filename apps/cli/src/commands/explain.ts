import { parseArgs } from 'node:util'
import { AdminApi } from '../live/admin-api.ts'
import { accessFrom, LIVE_OPTIONS } from '../live/bff-url.ts'
import { createVisitor } from '../live/visitor.ts'
import { COULD_NOT_RUN, CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'

/** `bridge explain ID`: the whole chain of one request; exit 1 when a link of it is broken. */
export async function explainCommand(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: LIVE_OPTIONS, allowPositionals: true })
  const [id, ...more] = positionals
  if (id === undefined || more.length > 0) {
    throw new CouldNotRun(
      'give one correlation id: the X-Correlation-ID of the response, or correlation_id of the problem',
    )
  }
  const access = accessFrom(values, process.env)
  const explained = await new AdminApi(createVisitor(access.url), access.token).explain(id)
  if (explained === undefined) {
    process.stderr.write(
      `nothing is kept of ${id}; failures of users are kept for a day, everything else until newer requests push it out\n`,
    )
    return COULD_NOT_RUN
  }
  process.stdout.write(
    values.json ? `${JSON.stringify(explained, null, 2)}\n` : `${explained.text}\n`,
  )
  return explained.broken === undefined ? DONE : FAULTS_FOUND
}
