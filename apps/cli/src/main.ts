import { parseArgs } from 'node:util'
import { explainCommand } from './commands/explain.ts'
import { narrowCommand } from './commands/narrow.ts'
import { up } from './commands/up.ts'
import { verify } from './commands/verify.ts'
import { COULD_NOT_RUN, CouldNotRun } from './outcome.ts'

const HELP = `bridge <verb> [options]

  up    start IdP, BFF, analytics, crud and console on embedded storage
          --config DIR       configuration (default: ServiceConfigs)
          --data DIR         state: sessions, users, keys, events (default: .data)
          --port-base N      BFF N, IdP N+1, analytics N+2, crud N+3
          --ready-file FILE  written once everything answers
          --demo             with sample data and live traffic of its own
  verify   sign in and walk every route of a running BFF
          --url BFF          default: server.public_url of the configuration
          --user U --password-file F, or --cookie-file F
          --token-file F     the administrator's token (default: .data/secrets/admin.token)
          --json
  explain ID   why the request with this correlation id was answered as it was
          --url BFF --token-file F --json
  narrow   the fewest scopes that would have served the calls of the last days
          --user U --password-file F, or --cookie-file F: a reader of the analytics
          --days N           default: 30
          --write            applies the change to the BFF's settings
          --config DIR --url BFF --json
`

/** Each verb gives its exit code: 0 healthy or done, 1 faults found, 2 could not run. */
const VERBS: Record<string, (args: string[]) => Promise<number>> = {
  up,
  verify,
  explain: explainCommand,
  narrow: narrowCommand,
}

const [verb = '', ...args] = process.argv.slice(2)
const run = VERBS[verb]
if (run === undefined) {
  const asked = parseArgs({ args: [verb], strict: false, allowPositionals: true }).values.help
  process.stderr.write(asked || verb === '' ? HELP : `bridge: unknown verb "${verb}"\n\n${HELP}`)
  process.exit(asked ? 0 : COULD_NOT_RUN)
}
try {
  process.exitCode = await run(args)
} catch (cause) {
  const known = cause instanceof CouldNotRun || (cause instanceof TypeError && 'code' in cause)
  process.stderr.write(
    `bridge ${verb}: ${known ? (cause as Error).message : String((cause as Error).stack)}\n`,
  )
  process.exitCode = cause instanceof CouldNotRun ? cause.exitCode : COULD_NOT_RUN
}
