import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { copyConfig, type Edits, ROOT, temporaryDirectory } from './config-copy.ts'
import { freePorts } from './ports.ts'
import { Visitor } from './visitor.ts'
import { until } from './wait.ts'

/** What `--ready-file` holds. */
export interface Ready {
  bff: string
  idp: string
  analytics: string
  crud: string
  users: { username: string; password: string; roles: string[] }[]
  admin_token_file: string
  pids: { bff: number; idp: number; analytics: number; crud: number }
}

export interface SystemOptions {
  edits?: Edits
  /** With sample data and live traffic. */
  demo?: boolean
  data?: string
  config?: string
  /** For a start after another one: the origins are part of what sessions and tokens are bound to. */
  portBase?: number
  env?: Record<string, string>
}

/** The whole system as real processes, as `bridge up` starts it. */
export interface System extends Ready {
  data: string
  config: string
  portBase: number
  readyFile: string
  /** The exit code, once everything has stopped. */
  exited: Promise<number | null>
  output(): string
  log(name: 'bff' | 'idp' | 'analytics' | 'crud' | 'demo'): string
  signedIn(role: string): Promise<Visitor>
  /** @returns the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface Launch {
  child: ChildProcess
  readyFile: string
  exited: Promise<number | null>
  output(): string
}

/** Runs `bridge up`; nothing is awaited. */
export function launch(t: TestContext, args: string[], env: Record<string, string> = {}): Launch {
  const readyFile = join(temporaryDirectory(t), 'ready.json')
  const child = spawn(
    process.execPath,
    [join(ROOT, 'apps/cli/src/main.ts'), 'up', '--ready-file', readyFile, ...args],
    { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
  })
  return { child, readyFile, exited, output: () => output }
}

export async function startSystem(t: TestContext, options: SystemOptions = {}): Promise<System> {
  const data = options.data ?? temporaryDirectory(t)
  const config = options.config ?? copyConfig(t, options.edits)
  const portBase = options.portBase ?? (await freePorts(4))
  const { child, readyFile, exited, output } = launch(
    t,
    [
      ...['--config', config, '--data', data, '--port-base', String(portBase)],
      ...(options.demo ? ['--demo'] : []),
    ],
    options.env,
  )
  let over = false
  exited.then(() => {
    over = true
  })
  await until(
    'the system',
    () => {
      if (over) throw new Error(`the system did not start:\n${output()}`)
      return existsSync(readyFile)
    },
    60_000,
  )
  const ready = JSON.parse(readFileSync(readyFile, 'utf8')) as Ready
  return {
    ...ready,
    data,
    config,
    portBase,
    readyFile,
    exited,
    output,
    log: (name) => readFileSync(join(data, 'logs', `${name}.log`), 'utf8'),
    async signedIn(role) {
      const user = ready.users.find(({ roles }) => roles.includes(role))
      if (user === undefined) throw new Error(`no user with the role ${role}`)
      const visitor = new Visitor(ready.bff)
      const landed = await visitor.signIn(user)
      if (landed.status !== 302) throw new Error(`sign-in ended with ${landed.status}`)
      return visitor
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return exited
    },
  }
}
