import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { readBridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import { judgeChain } from '@audience-bridge/chain/chain.ts'
import { checkBridge } from '@audience-bridge/chain/check.ts'
import { largeConfig } from './large-config.ts'

/*
 * `bridge check` on 1,000 services and 5,000 routes: the command as a person starts it, and the check
 * alone, on sound files and on files in which every service is broken. Exits 1 above a second.
 */

const ROOT = resolve(import.meta.dirname, '..')
const SERVICES = 1000
const ROUTES = 5000
const LIMIT_MS = 1000

const directory = mkdtempSync(join(tmpdir(), 'bridge-check-'))
try {
  const sound = largeConfig(SERVICES, ROUTES)
  for (const [file, text] of Object.entries(sound.files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text)
  }
  const results = {
    services: SERVICES,
    routes: ROUTES,
    lines: Object.values(sound.files).join('').split('\n').length,
    command_ms: best(5, () => {
      const run = spawnSync(
        process.execPath,
        [join(ROOT, 'scripts/bridge.mjs'), 'check', '--config', directory, '--json'],
        { encoding: 'utf8' },
      )
      if (run.status !== 0) throw new Error(`check exits ${run.status}: ${run.stdout}${run.stderr}`)
    }),
    check_ms: best(5, () => expectFindings(checkBridge(sound.sources, {}).length, 0)),
    check_all_broken_ms: best(3, () => {
      const broken = largeConfig(SERVICES, ROUTES, 'every audience misspelt').sources
      expectFindings(checkBridge(broken, {}).length, SERVICES)
    }),
    judge_ms: judging(sound.sources),
  }
  process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
  const slowest = Math.max(results.command_ms, results.check_ms, results.check_all_broken_ms)
  if (slowest > LIMIT_MS || results.judge_ms > 1) {
    process.stderr.write(`check takes ${slowest} ms, a chain ${results.judge_ms} ms: too slow\n`)
    process.exitCode = 1
  }
} finally {
  rmSync(directory, { recursive: true })
}

/** The best of several runs: what the code costs, without what else the machine does. */
function best(runs: number, run: () => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    run()
    least = Math.min(least, performance.now() - start)
  }
  return Math.round(least)
}

/** One chain judged, on average over all routes. */
function judging(sources: Parameters<typeof readBridgeConfig>[0]): number {
  const { config } = readBridgeConfig(sources, {})
  if (config === undefined) throw new Error('the generated configuration is malformed')
  const start = performance.now()
  for (const route of config.compiled) judgeChain(config, route)
  return Number(((performance.now() - start) / config.compiled.length).toFixed(4))
}

function expectFindings(found: number, expected: number): void {
  if (found !== expected) throw new Error(`found ${found} instead of ${expected}`)
}
