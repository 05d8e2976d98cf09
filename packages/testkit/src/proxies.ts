import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { type Cleanup, type Edit, ROOT, temporaryDirectory } from './config-copy.ts'
import { until } from './wait.ts'

/** A real proxy in front of a BFF, with the shipped configuration. */
export interface EdgeProxy {
  /** What it wrote to its standard error so far. */
  said(): string
}

export interface EdgeOptions {
  /** Where the shipped files say what of ours listens: the addresses there, and those of now. */
  addresses: Readonly<Record<string, string>>
  secret: string
  /** The port that `addresses` gives the proxy itself. */
  port: number
  /** Edits by the file's name: for the tests of what a careless change costs. */
  edits?: Readonly<Record<string, Edit>>
}

/** nginx with `ServiceConfigs/edge/nginx` as it is, but for the addresses. */
export async function startNginx(t: Cleanup, options: EdgeOptions): Promise<EdgeProxy> {
  const started = startedProxy(t)
  const directory = temporaryDirectory(t)
  copyEdge('nginx', join(directory, 'audience-bridge'), {
    ...options,
    addresses: { ...options.addresses, '/dev/shm/audience-bridge-edge': join(directory, 'cache') },
  })
  writeFileSync(
    join(directory, 'audience-bridge/secret.conf'),
    `map $host $edge_secret { default "${options.secret}"; }\n`,
    { mode: 0o600 },
  )
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(directory, name)};`,
  )
  // Workers of a nginx that root starts are another user, who may not enter this directory.
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};` : ''
  const main = [
    ...['daemon off;', user, 'worker_processes 1;', 'error_log stderr warn;'],
    `pid ${join(directory, 'nginx.pid')};`,
    'events { worker_connections 512; }',
    `http { access_log off; ${temporary.join(' ')} include audience-bridge/edge.conf; }`,
  ]
  const file = join(directory, 'nginx.conf')
  writeFileSync(file, main.join('\n'))
  return started(options.port, programAt('NGINX', '/usr/sbin/nginx'), [
    ...['-p', directory, '-c', file, '-e', 'stderr'],
  ])
}

/** Caddy with `ServiceConfigs/edge/caddy/Caddyfile` as it is, but for the addresses. */
export async function startCaddy(t: Cleanup, options: EdgeOptions): Promise<EdgeProxy> {
  const started = startedProxy(t)
  const directory = temporaryDirectory(t)
  copyEdge('caddy', directory, options)
  const file = join(directory, 'main')
  const globals = '{\n\tadmin off\n}\n'
  writeFileSync(file, `${globals}import ${join(directory, 'Caddyfile')}\n`)
  return started(
    options.port,
    programAt('CADDY', '/usr/bin/caddy'),
    ['run', '--adapter', 'caddyfile', '--config', file],
    { HOME: directory, EDGE_SECRET: options.secret },
  )
}

function copyEdge(name: string, to: string, { addresses, edits = {} }: EdgeOptions): void {
  cpSync(join(ROOT, 'ServiceConfigs/edge', name), to, { recursive: true })
  const unused = new Set(Object.keys(addresses))
  for (const file of readdirSync(to)) {
    const path = join(to, file)
    let text = readFileSync(path, 'utf8')
    for (const [from, now] of Object.entries(addresses)) {
      if (text.includes(from)) unused.delete(from)
      text = text.replaceAll(from, () => now)
    }
    writeFileSync(path, edits[file]?.(text) ?? text)
  }
  if (unused.size > 0) throw new Error(`${[...unused].join(', ')}: not in the files of ${name}`)
}

type Start = (
  port: number,
  program: string,
  args: readonly string[],
  env?: Record<string, string>,
) => Promise<EdgeProxy>

/** Asked for first: the process is to stop before its directory goes. */
function startedProxy(t: Cleanup): Start {
  let child: ChildProcess | undefined
  t.after(() => child && stop(child))
  return async (port, program, args, env = {}) => {
    const started = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child = started
    let said = ''
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const kill = () => started.kill('SIGTERM')
    process.once('exit', kill)
    started.once('exit', () => process.off('exit', kill))
    await until(`${program} listening`, () => {
      if (started.exitCode !== null) throw new Error(`${program} ended:\n${said}`)
      return accepts(port)
    })
    return { said: () => said }
  }
}

/** Its master takes its workers along when it is asked to stop; killed, it would leave them. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function programAt(variable: string, standard: string): string {
  const program = process.env[variable] ?? standard
  if (existsSync(program)) return program
  throw new Error(`${program} is needed: apt-get install nginx-light caddy, or set ${variable}`)
}
