import { readBridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import { readTarget } from '@audience-bridge/chain/request-path.ts'
import { largeConfig } from './large-config.ts'
import { inTurns } from './turns.ts'

/* Reading a target and finding its route, among 5 routes and among 5,000; exits 1 above 1.5 times. */

const CALLS = 200_000
const TURNS = 9
const LIMIT = 1.5

const few = tableOf(5, 5)
const many = tableOf(1000, 5000)
await inTurns(few, many, 3, async (subject) => nanoseconds(subject))
const { small, large } = await inTurns(few, many, TURNS, async (subject) => nanoseconds(subject))
const ratio = Number((large / small).toFixed(2))
process.stdout.write(
  `${JSON.stringify({ routes_5_ns: small, routes_5000_ns: large, ratio }, null, 2)}\n`,
)
if (ratio > LIMIT) process.exitCode = 1

interface Subject {
  table: ReturnType<typeof configOf>['table']
  targets: string[]
}

function tableOf(services: number, routes: number): Subject {
  // As many different targets for either: else the caches of the processor would be compared.
  const targets = Array.from({ length: 5 }, (_, i) => {
    const route = Math.floor((i * routes) / 5)
    return `/api/v1/service-${route % services}/resource-${route}/a/b?c=d`
  })
  return { table: configOf(services, routes).table, targets }
}

function configOf(services: number, routes: number) {
  const { config } = readBridgeConfig(largeConfig(services, routes).sources, {})
  if (config === undefined) throw new Error('the generated configuration is malformed')
  return config
}

function nanoseconds({ table, targets }: Subject): number {
  const begunAt = performance.now()
  for (let i = 0; i < CALLS; i++) {
    const target = readTarget(targets[i % targets.length] ?? '')
    if (target.kind !== 'path' || table.match(target.path, 'GET').kind !== 'route') {
      throw new Error('a route was not found')
    }
  }
  return Math.round(((performance.now() - begunAt) * 1_000_000) / CALLS)
}
