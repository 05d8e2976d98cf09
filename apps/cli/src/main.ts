import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { COULD_NOT_RUN, CouldNotRun } from './outcome.ts'

// Half of a short verb's time goes into reading our own modules. Below the checkout: a cache in a
// directory that others may write to would run what they put there.
enableCompileCache(join(import.meta.dirname, '../../../node_modules/.cache/bridge'))

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
  schema [NAME] [--out DIR]   JSON Schemas of the configuration files, for editors
  verify   sign in and walk every route of a running BFF
          --url BFF          default: server.public_url of the configuration
          --user U --password-file F, or --cookie-file F
          --token-file F     the administrator's token (default: .data/secrets/admin.token)
          --json
  explain ID   why the request with this correlation id was answered as it was
          --url BFF --token-file F --json
  sessions   who is signed in; sessions end ID | --user SUB | --sid SID signs out
          --user SUB, --sid SID   those of a user, or of a session at the IdP
          --url BFF --token-file F --json
  top    what a running BFF does: routes, rates, latencies, failures; keys: s sorts, q quits
          --once             a table of one interval, and ends; also where nobody looks on
          --json             a line of JSON each interval
          --interval S --sort rate|p95|errors|name
          --url BFF --token-file F
  narrow   the fewest scopes that would have served the calls of the last days
          --user U --password-file F, or --cookie-file F: a reader of the analytics
          --days N           default: 30
          --write            applies the change to the BFF's settings
          --config DIR --url BFF --json
`

type Verb = (args: string[]) => Promise<number>

/** Each verb gives its exit code: 0 healthy or done, 1 faults found, 2 could not run. */
const VERBS = new Map<string, () => Promise<Verb>>([
  ['up', async () => (await import('./commands/up.ts')).up],
  ['check', async () => (await import('./commands/check.ts')).checkCommand],
  ['mend', async () => (await import('./commands/mend.ts')).mendCommand],
  ['can', async () => (await import('./commands/can.ts')).canCommand],
  ['diff', async () => (await import('./commands/diff.ts')).diffCommand],
  ['add-service', async () => (await import('./commands/add-service.ts')).addServiceCommand],
  [
    'remove-service',
    async () => (await import('./commands/remove-service.ts')).removeServiceCommand,
  ],
  ['schema', async () => (await import('./commands/schema.ts')).schemaCommand],
  ['verify', async () => (await import('./commands/verify.ts')).verify],
  ['explain', async () => (await import('./commands/explain.ts')).explainCommand],
  ['sessions', async () => (await import('./commands/sessions.ts')).sessionsCommand],
  ['top', async () => (await import('./commands/top.ts')).topCommand],
  ['narrow', async () => (await import('./commands/narrow.ts')).narrowCommand],
])

const [verb = '', ...args] = process.argv.slice(2)
const load = VERBS.get(verb)
if (load === undefined || args.includes('--help') || args.includes('-h')) {
  const isAsked = load !== undefined || ['--help', '-h', 'help'].includes(verb)
  const text = isAsked || verb === '' ? HELP : `bridge: unknown verb "${verb}"\n\n${HELP}`
  ;(isAsked ? process.stdout : process.stderr).write(text)
  process.exit(isAsked ? 0 : COULD_NOT_RUN)
}
try {
  const run = await load()
  process.exitCode = await run(args)
} catch (cause) {
  const known = cause instanceof CouldNotRun || (cause instanceof TypeError && 'code' in cause)
  process.stderr.write(
    `bridge ${verb}: ${known ? (cause as Error).message : String((cause as Error).stack)}\n`,
  )
  process.exitCode = cause instanceof CouldNotRun ? cause.exitCode : COULD_NOT_RUN
}
