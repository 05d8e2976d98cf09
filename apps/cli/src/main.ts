import { parseArgs } from 'node:util'
import { addServiceCommand } from './commands/add-service.ts'
import { canCommand } from './commands/can.ts'
import { checkCommand } from './commands/check.ts'
import { diffCommand } from './commands/diff.ts'
import { explainCommand } from './commands/explain.ts'
import { mendCommand } from './commands/mend.ts'
import { narrowCommand } from './commands/narrow.ts'
import { removeServiceCommand } from './commands/remove-service.ts'
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
  check    every fault of every file and every broken link, offline
          --config DIR       configuration (default: ServiceConfigs)
          --json, --sarif
  mend CODE… | --all   the mends of check as a change of the files
          --write            applies it
          --config DIR --json
  add-service NAME --base-url URL --audience A --scopes "S …" --path /api/x/*
          --upstream-path P --methods GET,POST --mint M
          --write            applies the change that is shown
          --config DIR --json
  remove-service NAME   the reverse
          --write --config DIR --json
  diff OLD [NEW]   who gains or loses access between two states of the configuration
          OLD, NEW           directories or git revisions; NEW: the configuration as it is
          --fail-on-widening exits 1 when anybody gains
          --config DIR --json
  can --service X   what token would come out, and why
          --client C --scopes "S …"   default: the BFF after a login
          --config DIR --json
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
  check: checkCommand,
  mend: mendCommand,
  can: canCommand,
  diff: diffCommand,
  'add-service': addServiceCommand,
  'remove-service': removeServiceCommand,
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
