import { readFileSync } from 'node:fs'
import { closeOnSignal, refuseStart } from '@audience-bridge/kit/lifecycle.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { clientCredentialsToken } from '@audience-bridge/outbox/client-credentials.ts'
import { createOrganisation, type DemoUser } from './organisation.ts'
import { catchUp, keepUp } from './past.ts'
import { runTraffic } from './traffic.ts'

/** How often the organisation's doings since the last time are added. */
const KEEP_UP_MS = 10_000

function required(name: string): string {
  return process.env[name] || refuseStart(`demo: set ${name}`)
}

function readUsers(path: string): DemoUser[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return refuseStart(`demo: cannot read the users in ${path} (DEMO_USERS_FILE)`)
  }
}

function readSeed(): number {
  const seed = Number(process.env.DEMO_SEED || 1)
  return Number.isSafeInteger(seed) ? seed : refuseStart('demo: DEMO_SEED must be a whole number')
}

function start(): void {
  const log = createLog('demo', process.env.LOG_LEVEL)
  const users = readUsers(required('DEMO_USERS_FILE'))
  const stop = new AbortController()
  const deps = {
    organisation: createOrganisation(readSeed(), users),
    statePath: required('DEMO_STATE'),
    url: required('ANALYTICS_URL'),
    token: clientCredentialsToken({
      issuer: required('IDP_ISSUER'),
      clientId: 'demo-generator',
      clientSecret: readSecret(`file:${required('DEMO_CLIENT_SECRET_FILE')}`),
      audience: process.env.ANALYTICS_AUDIENCE || 'https://analytics.ocg.labs.empowernow.ai',
      scope: 'api.write',
    }),
    log,
    signal: stop.signal,
    nowMs: Date.now,
    // For the launcher: one line of its own shape among the log lines.
    onProgress: (progress: number, events: number) =>
      void process.stdout.write(`${JSON.stringify({ progress, events })}\n`),
  }

  const past = async () => keepUp(deps, await catchUp(deps), KEEP_UP_MS)
  const traffic = runTraffic({ bffUrl: required('BFF_URL'), users, log, signal: stop.signal })
  const work = Promise.all([past(), traffic]).catch((cause: unknown) => {
    if (stop.signal.aborted) return
    log.error({ err: cause }, 'demo failed')
    process.exit(1)
  })
  closeOnSignal(log, async () => {
    stop.abort()
    await work
  })
}

try {
  start()
} catch (cause) {
  refuseStart(`demo: ${cause instanceof Error ? cause.message : String(cause)}`)
}
