import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import {
  type Cleanup,
  copyConfig,
  type Edits,
  editConfig,
  ROOT,
  temporaryDirectory,
} from './config-copy.ts'
import { freePorts } from './ports.ts'
import { makeUsers, USERS } from './users.ts'
import { type Credentials, Visitor } from './visitor.ts'

const SECRETS = ['crud-service.secret', 'bff-store.key', 'admin.token']
const START_MS = 120_000

/** One of our apps as a real process. */
export class AppProcess {
  readonly origin: string
  /** What it logged, parsed. */
  readonly logs: Record<string, unknown>[] = []
  readonly #entry: string
  readonly #env: Record<string, string>
  #child: ChildProcess | undefined

  constructor(t: Cleanup, app: 'bff' | 'idp', origin: string, env: Record<string, string>) {
    this.origin = origin
    this.#entry = join(ROOT, 'apps', app, 'src/main.ts')
    this.#env = env
    t.after(async () => void (await this.stop('SIGKILL')))
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [this.#entry], {
      cwd: ROOT,
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    const listening = Promise.withResolvers<void>()
    const late = setTimeout(() => listening.reject(new Error('it takes too long')), START_MS)
    child.once('exit', (code) => {
      process.off('exit', kill)
      listening.reject(new Error(`${this.#entry} ended with ${code}:\n${said}`))
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry = parse(line)
      this.logs.push(entry)
      if (entry.message === 'listening') listening.resolve()
    })
    await listening.promise.finally(() => clearTimeout(late))
  }

  /** @returns the exit code; null after a signal that kills. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null
    const gone = once(child, 'exit')
    child.kill(signal)
    // A paused process takes no other signal.
    if (signal === 'SIGKILL') child.kill('SIGCONT')
    const [code] = (await gone) as [number | null]
    return code
  }

  /** Stops answering; its connections stay open. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }
}

export interface NodesOptions {
  count: number
  edits: Edits
  env?: Record<string, string>
}

/** One IdP and several BFFs, each a process, that browsers reach under one name. */
export interface Nodes {
  idp: AppProcess
  bffs: AppProcess[]
  configDirectory: string
  adminToken: string
  /** Edits the files, which every process follows. */
  reconfigure(edits: Edits): void
  /** A browser that signed in at the first node; its cookie is good at each. */
  signedIn(user?: Credentials): Promise<Visitor>
  /** A call with a visitor's cookie at one node. */
  call(node: AppProcess, who: Visitor, path: string, init?: RequestInit): Promise<Response>
}

export async function startNodes(t: Cleanup, options: NodesOptions): Promise<Nodes> {
  const base = await freePorts(options.count + 1)
  const data = temporaryDirectory(t)
  const configDirectory = copyConfig(t, options.edits)
  const secrets = SECRETS.map((name) => ensureSecretFile(join(data, 'secrets', name)))
  await makeUsers(join(data, 'idp/users.yaml'))
  const common = {
    BRIDGE_CONFIG: configDirectory,
    BFF_PUBLIC_URL: `http://localhost:${base}`,
    BFF_COOKIE_SUFFIX: String(base),
    IDP_PORT: String(base + options.count),
    ...options.env,
  }
  const idp = new AppProcess(t, 'idp', `http://localhost:${base + options.count}`, {
    ...common,
    BRIDGE_DATA: data,
  })
  const bffs = Array.from({ length: options.count }, (_, i) => {
    // What a node has of its own is of its own; the secrets are the same on all.
    const own = join(data, `node-${i}`)
    mkdirSync(own, { recursive: true })
    cpSync(join(data, 'secrets'), join(own, 'secrets'), { recursive: true })
    const env = { ...common, BRIDGE_DATA: own, BFF_PORT: String(base + i) }
    return new AppProcess(t, 'bff', `http://127.0.0.1:${base + i}`, env)
  })
  await Promise.all([idp, ...bffs].map((app) => app.start()))
  return {
    ...{ idp, bffs, configDirectory },
    adminToken: secrets.at(-1) ?? '',
    reconfigure: (edits) => editConfig(configDirectory, edits),
    async signedIn(user = USERS.member) {
      const who = new Visitor(common.BFF_PUBLIC_URL)
      const landed = await who.signIn(user)
      if (landed.status !== 302) throw new Error(`sign-in ended with ${landed.status}`)
      return who
    },
    call: (node, who, path, init = {}) =>
      fetch(new URL(path, node.origin), {
        ...init,
        redirect: 'manual',
        headers: { cookie: who.cookie, ...init.headers } as Record<string, string>,
      }),
  }
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return { message: line }
  }
}
