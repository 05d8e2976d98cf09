import { parseArgs } from 'node:util'
import type { BridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import { type Finding, findingsOf } from '@audience-bridge/chain/check.ts'
import { findDeadEnds } from '@audience-bridge/chain/dead-ends.ts'
import { listOf } from '@audience-bridge/chain/judge.ts'
import { wideScopes, wideScopeText } from '@audience-bridge/chain/wide-scopes.ts'
import { type ReadConfig, readConfig, readSources, textsOf } from '../files/config-sources.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'
import { renderFindings, summarize } from '../report/findings.ts'
import { paintFor } from '../report/paint.ts'
import { sarifOf } from '../report/sarif.ts'

/** `bridge check`: every fault of every file and every broken link, offline. */
export async function checkCommand(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: 'string', default: 'ServiceConfigs' },
      json: { type: 'boolean', default: false },
      sarif: { type: 'boolean', default: false },
    },
  })
  if (values.json && values.sarif) throw new CouldNotRun('--json or --sarif, not both')
  const read = readConfig(readSources(values.config, process.env), process.env)
  const findings = findingsOf(read.config, read.faults)
  const wide = read.config === undefined ? [] : wideScopes(read.config)
  const idp = read.config?.idp
  const deadEnds = idp === undefined ? [] : findDeadEnds(idp.settings, idp.clients)

  if (values.json) {
    const warnings = [
      ...wide.map((scope) => ({ code: 'wide_scope', text: wideScopeText(scope), ...scope })),
      ...deadEnds.map((text) => ({ code: 'dead_end', text })),
    ]
    print(JSON.stringify({ healthy: findings.length === 0, findings, warnings }, null, 2))
  } else if (values.sarif) {
    print(JSON.stringify(sarifOf(findings, textsOf(read.sources)), null, 2))
  } else print(report(read, findings, [...wide.map(wideScopeText), ...deadEnds]))
  return findings.length === 0 ? DONE : FAULTS_FOUND
}

function report(read: ReadConfig, findings: readonly Finding[], warnings: string[]): string {
  const paint = paintFor(process.stdout)
  const open = notJudged(read)
  const notes = [...warnings, ...open].map((text) => paint.faint(`note: ${text}`))
  const verdict =
    findings.length > 0
      ? `${renderFindings(findings, paint)}\n${summarize(findings)}`
      : paint.green(healthy(read.config, open.length > 0))
  return [verdict, ...notes].join('\n')
}

function healthy(config: BridgeConfig | undefined, partly: boolean): string {
  const routes = config?.compiled ?? []
  const services = new Set(routes.map(({ route }) => route.target_service))
  return `No fault in any file; every link ${partly ? 'that can be judged here ' : ''}holds for ${routes.length} routes to ${services.size} services.`
}

/** A link that nobody here can judge is not a link that holds. */
function notJudged({ config, sources }: ReadConfig): string[] {
  if (config === undefined) return ['the links are judged once the files of the BFF are sound']
  const services = config.compiled
    .filter(({ route }) => route.auth !== 'none' && !config.backends[route.target_service])
    .map(({ route }) => route.target_service)
  const unread = [...new Set(services)]
  return [
    ...(sources.idp === undefined
      ? ["the IdP's links are not judged: its files are not readable here (idp_config_dir)"]
      : config.idp === undefined
        ? ["the IdP's links are judged once its files are sound"]
        : []),
    ...(unread.length === 0
      ? []
      : [
          `what is expected of a token by ${listOf(unread)} is not judged: backend_settings names no readable file`,
        ]),
  ]
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
