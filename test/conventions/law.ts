import { basename, dirname, matchesGlob } from 'node:path'
import { workspaceOf } from './files.ts'
import type { Source } from './source.ts'

/*
 * The import law: main → server → routes|proxy → domain → kit|contracts|chain, never back and never
 * sideways between domains. A new arrow is a new word in this table, and so a decision.
 */

const CHAIN = 'packages/chain/src/*.ts'
const CONTRACTS = 'packages/contracts/src/*.ts'
const KIT = 'packages/kit/src/*.ts'
const OUTBOX = 'packages/outbox/src/*.ts'
const RESOURCE_SERVER = 'packages/resource-server/src/*.ts'
const SPA_CLIENT = 'packages/spa-client/src/*.ts'
const TESTKIT = 'packages/testkit/src/*.ts'

const BFF = 'apps/bff/src'
const IDP = 'apps/idp/src'
const ANALYTICS = 'apps/analytics/src'
const CRUD = 'apps/crud/src'
const CLI = 'apps/cli/src'
const DEMO = 'apps/demo/src'
const CONSOLE = 'apps/console/src'

/** Files, and what of ours they may import besides their own folder. The first row that matches. */
const ARROWS: readonly [files: string, may: readonly string[]][] = [
  [`${BFF}/main.ts`, [`${BFF}/**`, CHAIN, KIT, OUTBOX]],
  [
    `${BFF}/server.ts`,
    [
      `${BFF}/{fast,front,routes,proxy,login,session,telemetry,tokens,upstreams}/*.ts`,
      ...[CHAIN, KIT, OUTBOX],
    ],
  ],
  // The first look at a request: ours, or the proxy's.
  [`${BFF}/{dispatch,place,settle}.ts`, [`${BFF}/{proxy,explain}/*.ts`, CHAIN, KIT, OUTBOX]],
  // The same judgement without Node's HTTP server: it may use what the proxy and the first look do.
  [
    `${BFF}/fast/*.ts`,
    [`${BFF}/{proxy,upstreams}/*.ts`, `${BFF}/{config,place,settle}.ts`, CHAIN, KIT],
  ],
  // Other protocols are put into the words of the one that all else speaks.
  [`${BFF}/front/*.ts`, [`${BFF}/{fast,front,proxy}/*.ts`, `${BFF}/{front-tls,problems}.ts`, KIT]],
  // Headers for other origins are the same for the BFF's own answers as for a backend's.
  [
    `${BFF}/routes/*.ts`,
    [
      `${BFF}/{login,session,tokens,explain}/*.ts`,
      `${BFF}/{config,problems,proxy/cors}.ts`,
      ...[CHAIN, CONTRACTS, KIT],
    ],
  ],
  [
    `${BFF}/proxy/*.ts`,
    [
      `${BFF}/{login,session,tokens,explain,upstreams}/*.ts`,
      `${BFF}/{problems,reach}.ts`,
      ...[CHAIN, CONTRACTS, KIT, OUTBOX],
    ],
  ],
  // A login under way is sealed with the same tickets as a session.
  [`${BFF}/login/*.ts`, [`${BFF}/session/ticket.ts`, CONTRACTS, KIT]],
  [`${BFF}/session/*.ts`, [CONTRACTS, KIT]],
  // The rings of signing keys are sealed as sessions are.
  [`${BFF}/tokens/*.ts`, [`${BFF}/session/ticket.ts`, CHAIN, CONTRACTS, KIT, RESOURCE_SERVER]],
  // Whom to ask, when, and how often; asking is the proxy's.
  [`${BFF}/upstreams/*.ts`, [CHAIN]],
  // Spans are built from the record of a request, whose trace the proxy has begun.
  [`${BFF}/telemetry/*.ts`, [`${BFF}/proxy/trace-context.ts`, CHAIN, KIT]],
  [`${BFF}/explain/*.ts`, [CHAIN, CONTRACTS, KIT]],
  [
    `${BFF}/{config-files,metrics,security-events,state-gauges,tally,upstream-metrics}.ts`,
    [CHAIN, CONTRACTS, KIT],
  ],
  // Processes that look after each other know nothing of what they do.
  [`${BFF}/workers/*.ts`, [KIT]],
  [`${BFF}/certificate.ts`, []],
  [`${BFF}/event-outbox.ts`, [CHAIN, KIT, OUTBOX]],
  [`${BFF}/session-store.ts`, [`${BFF}/session/*.ts`, CHAIN, KIT]],
  [`${BFF}/config.ts`, [CHAIN, KIT]],
  [`${BFF}/{frontends,front-tls,idps,rates,reach}.ts`, [`${BFF}/certificate.ts`, CHAIN]],
  [`${BFF}/problems.ts`, [CONTRACTS, KIT, CHAIN]],

  [`${IDP}/main.ts`, [`${IDP}/config/*.ts`, KIT]],
  [`${IDP}/add-users.ts`, [`${IDP}/accounts/*.ts`, KIT]],
  // The service is what a new configuration swaps; the server is what stays.
  [
    `${IDP}/{server,service}.ts`,
    [`${IDP}/{accounts,adapter,config,interactions}/*.ts`, CHAIN, CONTRACTS, KIT],
  ],
  [`${IDP}/interactions/*.ts`, [`${IDP}/accounts/*.ts`, `${IDP}/http.ts`, CONTRACTS, KIT]],
  [`${IDP}/{accounts,adapter}/*.ts`, [KIT]],
  // A reading lists the faults of the clients and their secrets with those of the files.
  [`${IDP}/config/*.ts`, [`${IDP}/clients.ts`, CHAIN, KIT]],
  [`${IDP}/provider*.ts`, [`${IDP}/{adapter,interactions}/*.ts`, CHAIN, KIT]],
  [`${IDP}/*.ts`, [CHAIN, CONTRACTS, KIT]],

  [`${ANALYTICS}/main.ts`, [`${ANALYTICS}/**`, CHAIN, KIT, RESOURCE_SERVER]],
  [`${ANALYTICS}/access.ts`, [KIT, RESOURCE_SERVER]],
  [`${ANALYTICS}/server.ts`, [`${ANALYTICS}/{routes,ingest}/*.ts`, KIT, RESOURCE_SERVER]],
  [
    `${ANALYTICS}/routes/*.ts`,
    [
      `${ANALYTICS}/{anomalies,queries,ingest,engine}/*.ts`,
      `${ANALYTICS}/access.ts`,
      ...[CONTRACTS, KIT, RESOURCE_SERVER],
    ],
  ],
  // Anomalies are asked with the same filters and windows as the other questions.
  [
    `${ANALYTICS}/anomalies/*.ts`,
    [`${ANALYTICS}/queries/{filter,window}.ts`, `${ANALYTICS}/engine/*.ts`, CONTRACTS, KIT],
  ],
  [`${ANALYTICS}/{queries,ingest}/*.ts`, [`${ANALYTICS}/engine/*.ts`, CONTRACTS, KIT]],
  [`${ANALYTICS}/engine/*.ts`, [KIT]],

  [`${CRUD}/main.ts`, [CHAIN, KIT, OUTBOX]],
  [`${CRUD}/server.ts`, [`${CRUD}/routes/*.ts`, CONTRACTS, KIT, OUTBOX, RESOURCE_SERVER]],
  [`${CRUD}/routes/*.ts`, [`${CRUD}/*.ts`, CONTRACTS, RESOURCE_SERVER]],
  [`${CRUD}/*.ts`, [CONTRACTS, KIT, OUTBOX, RESOURCE_SERVER]],

  [`${CLI}/main.ts`, [`${CLI}/commands/*.ts`]],
  [
    `${CLI}/commands/*.ts`,
    [`${CLI}/{outcome.ts,{files,live,narrow,report,top,up}/*.ts}`, CHAIN, CONTRACTS, KIT],
  ],
  [`${CLI}/{files,live}/*.ts`, [`${CLI}/outcome.ts`, CHAIN, CONTRACTS, KIT]],
  [`${CLI}/report/*.ts`, [`${CLI}/files/owner.ts`, CHAIN]],
  [`${CLI}/narrow/*.ts`, [`${CLI}/live/table.ts`, CHAIN]],
  [`${CLI}/top/*.ts`, []],
  [`${CLI}/up/*.ts`, [`${CLI}/outcome.ts`, CHAIN, CONTRACTS, KIT]],
  [`${CLI}/outcome.ts`, []],
  [`${DEMO}/*.ts`, [CONTRACTS, KIT, OUTBOX]],

  [`${CONSOLE}/api/*.ts`, [`${CONSOLE}/range.ts`, CONTRACTS, SPA_CLIENT]],
  [`${CONSOLE}/{charts,ui}/*`, [`${CONSOLE}/{api,ui}/*`, `${CONSOLE}/*.ts`, CONTRACTS]],
  [`${CONSOLE}/{*,panels/*}`, [`${CONSOLE}/**`, CONTRACTS]],
  ['apps/console/vite.config.ts', []],

  ['packages/{chain,contracts,kit,resource-server,spa-client}/src/*.ts', []],
  [OUTBOX, [CONTRACTS, KIT]],
  [TESTKIT, [`${BFF}/**`, `${IDP}/**`, `${DEMO}/*.ts`, CHAIN, CONTRACTS, KIT]],
  ['{apps,packages}/*/test/**', ['(own workspace)', 'packages/*/src/*.ts']],
  ['test/**', ['test/**', 'packages/*/src/*.ts', `${DEMO}/*.ts`]],
  ['bench/**', ['bench/**', 'apps/*/src/**', 'packages/*/src/*.ts']],
]

/** Layers that nothing below may know, not even as a type. */
const UPPER = '{main.ts,main.tsx,server.ts,fast/**,routes/**,proxy/**}'
/** The record of one request is read, as a type, by whatever counts or explains requests. */
const RECORD = `${BFF}/proxy/exchange.ts`

/** Who alone may import a package or a module of Node, as value: one place for each dangerous thing. */
const OWNERS: readonly [targets: string, files: readonly string[]][] = [
  ['oidc-provider', [`${IDP}/provider*.ts`]],
  ['{chdb,chdb/**}', [`${ANALYTICS}/engine/engine-chdb.ts`]],
  ['@clickhouse/client', [`${ANALYTICS}/engine/*.ts`]],
  ['@opentelemetry/*', [`${BFF}/telemetry/*.ts`]],
  ['redis', [`${BFF}/session/redis-*.ts`]],
  [
    'openid-client',
    [`${BFF}/tokens/idp{,-answer,-auth,-link}.ts`, 'packages/outbox/src/client-credentials.ts'],
  ],
  ['yaml', [CHAIN, `${IDP}/accounts/users-file.ts`]],
  ['pino', ['packages/kit/src/log.ts', TESTKIT]],
  ['playwright-core', [TESTKIT]],
  [
    'node:sqlite',
    [
      `${BFF}/{session/sqlite-schema,explain/trace-store-sqlite}.ts`,
      `${IDP}/adapter/adapter-sqlite.ts`,
      `${CRUD}/database.ts`,
      'packages/outbox/src/queue.ts',
    ],
  ],
  ['node:child_process', [`${CLI}/up/*.ts`, `${CLI}/files/git.ts`, TESTKIT]],
  ['node:cluster', [`${BFF}/workers/*.ts`]],
  ['node:worker_threads', []],
  ['node:vm', []],
  [
    '{undici,node:net,node:http,node:https,node:http2,node:tls,node:dgram}',
    [
      `${BFF}/{main,server}.ts`,
      `${BFF}/{fast,front,proxy}/*.ts`,
      // The one way to an IdP.
      `${BFF}/tokens/idp-fetch.ts`,
      `${IDP}/{listener,http}.ts`,
      `${CLI}/up/preflight.ts`,
      TESTKIT,
    ],
  ],
]

/** Parts of those modules that touch nothing. */
const HARMLESS: readonly [target: string, names: readonly string[]][] = [
  ['node:http', ['STATUS_CODES']],
  ['node:net', ['BlockList', 'isIP', 'isIPv4', 'isIPv6']],
]

/** Who may touch what reaches out of the process. Everybody else is given it. */
const GLOBALS: Record<string, readonly string[]> = {
  process: [
    'apps/*/src/main.ts',
    `${IDP}/add-users.ts`,
    `${CLI}/{commands,up}/*.ts`,
    'packages/kit/src/lifecycle.ts',
    'packages/kit/src/log.ts',
    TESTKIT,
    '{test,bench}/**',
    '{apps,packages}/*/test/**',
  ],
  // Not the BFF: whatever it sends must pass the proxy or the IdP's client.
  fetch: [
    'packages/spa-client/src/send.ts',
    `${CLI}/live/visitor.ts`,
    `${DEMO}/browser-session.ts`,
    `${IDP}/provider-settings.ts`,
    'packages/outbox/src/delivery.ts',
    'packages/resource-server/src/keys.ts',
    TESTKIT,
    '{test,bench}/**',
    '{apps,packages}/*/test/**',
  ],
}

/** What a file does that the law forbids, a line each; empty for a good file. */
export function offences(file: string, source: Source): string[] {
  const found: string[] = []
  const workspace = workspaceOf(file)
  const inTests = matchesGlob(file, '{test/**,bench/**,{apps,packages}/*/test/**}')
  const row = ARROWS.find(([files]) => matchesGlob(file, files))
  if (row === undefined) return [`${file}: no row of the import law is about this file`]

  for (const { target, specifier, typeOnly, names, line } of source.imports) {
    const at = `${file}:${line}`
    if (specifier === '(computed)') found.push(`${at}: an import must name what it imports`)
    if (workspaceOf(target) === '.' && !/^(test|bench|scripts)\//.test(target)) {
      const owners = OWNERS.find(([targets]) => matchesGlob(target, targets))?.[1]
      const harmless = HARMLESS.find(([of]) => of === target)?.[1] ?? []
      const small = names.length > 0 && names.every((name) => harmless.includes(name))
      const free = owners === undefined || typeOnly || small || inTests
      if (!free && !owners.some((files) => matchesGlob(file, files))) {
        found.push(`${at}: ${target} belongs to ${owners.join(', ') || 'nobody'}`)
      }
      continue
    }
    const may = row[1].map((glob) => (glob === '(own workspace)' ? `${workspace}/**` : glob))
    const beside = dirname(target) === dirname(file)
    const upward = target !== RECORD && matchesGlob(target, `${workspace}/src/${UPPER}`)
    const allowed =
      may.some((glob) => matchesGlob(target, glob)) ||
      (beside && (!isEntry(target) || isEntry(file, 'main'))) ||
      (typeOnly && !upward && target.startsWith(`${workspace}/src/`))
    if (!allowed) found.push(`${at}: must not import ${target}`)
  }
  for (const { name, line } of source.globals) {
    if (GLOBALS[name]?.some((files) => matchesGlob(file, files))) continue
    found.push(`${file}:${line}: ${name} belongs to ${GLOBALS[name]?.join(', ')}`)
  }
  return found
}

const isEntry = (file: string, name = '{main,server}') =>
  matchesGlob(basename(file), `${name}.{ts,tsx}`)
