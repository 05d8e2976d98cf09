import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { type Cleanup, type Edit, replace, temporaryDirectory } from './config-copy.ts'
import { freePorts } from './ports.ts'
import { until } from './wait.ts'

/** Just what the store needs, as docs/sessions.md prints it. */
export const ACL_RULES =
  '~bff:* &bff:* -@all +ping +select +info +time +eval +exists +del +ttl +expireat +set +hget +hmget +hgetall +hset +hsetnx +hincrby +hdel +zadd +zrem +zremrangebyscore +zrange +zrangebyscore +zcount +zcard +publish +subscribe +role +asking +cluster|slots'

const PASSWORD = 'a password for tests'
const NODE = [
  'save ""',
  'appendonly yes',
  // A kill loses nothing acknowledged: "everysec" lets a write wait while the last one is synced.
  'appendfsync no',
  'repl-diskless-sync-delay 0',
  // Off, and yet with its permissions: Redis loads its append-only file as this user, and without
  // them silently drops what scripts had written.
  'user default off allkeys allchannels allcommands',
  'user admin on >admin allkeys allchannels allcommands',
  `user bff on #${createHash('sha256').update(PASSWORD).digest('hex')} ${ACL_RULES}`,
]

/** A real `redis-server` with a configuration and a directory of its own, on 127.0.0.1. */
export class RedisProcess {
  readonly port: number
  readonly directory: string
  readonly #config: string
  readonly #mode: string[]
  #child: ChildProcess | undefined

  constructor(t: Cleanup, port: number, lines: readonly string[], mode: string[] = []) {
    this.port = port
    this.#mode = mode
    // Before its directory goes.
    t.after(() => this.kill())
    this.directory = temporaryDirectory(t)
    this.#config = join(this.directory, 'redis.conf')
    const common = [`port ${port}`, 'bind 127.0.0.1', `dir ${this.directory}`, 'daemonize no']
    writeFileSync(this.#config, [...common, ...lines, ''].join('\n'), { mode: 0o600 })
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const program = programAt('REDIS_SERVER', 'redis-server')
    const child = spawn(program, [this.#config, ...this.#mode], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#child = child
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    const said: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line)
      if (/Ready to accept connections|Sentinel ID is/.test(line)) {
        child.stdout.resume()
        return
      }
    }
    throw new Error(`redis-server did not start:\n${said.slice(-10).join('\n')}`)
  }

  /** Stopped by force: it says goodbye to nobody. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Stops answering; its connections stay open. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** What redis-cli prints, as the administrator. */
  async cli(...args: string[]): Promise<string> {
    const program = programAt('REDIS_CLI', 'redis-cli')
    const login = ['-p', String(this.port), '--user', 'admin', '--no-auth-warning']
    const { stdout } = await promisify(execFile)(program, [...login, ...args], {
      env: { ...process.env, REDISCLI_AUTH: 'admin' },
      timeout: 30_000,
    })
    return stdout
  }
}

/** How a BFF finds and enters a Redis. */
export interface RedisEntry {
  url: string
  seeds: string[]
  password: string
}

/** One node that appends to a file, with an ACL user that may do just what the store needs. */
export async function startRedis(
  t: Cleanup,
  lines: readonly string[] = [],
): Promise<RedisProcess & RedisEntry> {
  const port = await freePorts(1)
  const redis = new RedisProcess(t, port, [...NODE, ...lines])
  await redis.start()
  return Object.assign(redis, entryAt([port]))
}

/** One node that is reached by TLS alone, with a certificate for 127.0.0.1 that vouches for itself. */
export async function startRedisTls(
  t: Cleanup,
): Promise<RedisProcess & RedisEntry & { ca: string }> {
  const directory = temporaryDirectory(t)
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  await promisify(execFile)(programAt('OPENSSL', 'openssl'), [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-days', '2', '-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', key, '-out', certificate],
  ])
  const port = await freePorts(1)
  const files = [`tls-cert-file ${certificate}`, `tls-key-file ${key}`]
  const tls = [`tls-port ${port}`, ...files, 'tls-auth-clients no']
  const redis = new RedisProcess(t, 0, [...NODE, ...tls])
  await redis.start()
  const entry = { ...entryAt([port]), url: `rediss://bff@127.0.0.1:${port}` }
  return Object.assign(redis, entry, { ca: readFileSync(certificate, 'utf8') })
}

/** An edit of the BFF's settings.yaml: its sessions are in this Redis. */
export function withRedis({ url, password }: RedisEntry, directory: string): Edit {
  const file = join(directory, 'bff.password')
  writeFileSync(file, `${password}\n`, { mode: 0o600 })
  return replace(
    '  path: ${BRIDGE_DATA:-.data}/bff/sessions.sqlite\n',
    `  redis:\n    url: ${url}\n    password: file:${file}\n  directory: \${BRIDGE_DATA:-.data}/bff\n`,
  )
}

/** Three masters without replicas; each goes on without the others. */
export async function startRedisCluster(
  t: Cleanup,
): Promise<RedisEntry & { nodes: RedisProcess[] }> {
  const base = await freePorts(6)
  const ports = [base, base + 1, base + 2]
  const nodes = ports.map((port) => {
    const cluster = ['cluster-enabled yes', `cluster-port ${port + 3}`, 'cluster-node-timeout 2000']
    return new RedisProcess(t, port, [...NODE, ...cluster, 'cluster-require-full-coverage no'])
  })
  await Promise.all(nodes.map((node) => node.start()))
  const addresses = ports.map((port) => `127.0.0.1:${port}`)
  await nodes[0]?.cli('--cluster', 'create', ...addresses, '--cluster-yes')
  await until(
    'the cluster',
    async () => {
      const states = await Promise.all(nodes.map((node) => node.cli('cluster', 'info')))
      return states.every(
        (text) => /cluster_state:ok/.test(text) && /cluster_known_nodes:3/.test(text),
      )
    },
    30_000,
  )
  return { nodes, ...entryAt(ports) }
}

/** A master, a replica that is in step, and two sentinels of the master `main` that agree by one. */
export async function startRedisSentinels(t: Cleanup): Promise<
  RedisEntry & {
    master: RedisProcess
    replica: RedisProcess
    sentinels: RedisProcess[]
    sentinelPassword: string
  }
> {
  const base = await freePorts(4)
  const master = new RedisProcess(t, base, NODE)
  const link = [`replicaof 127.0.0.1 ${base}`, 'masteruser admin', 'masterauth admin']
  const replica = new RedisProcess(t, base + 1, [...NODE, ...link])
  const watch = [
    `sentinel monitor main 127.0.0.1 ${base} 1`,
    'sentinel auth-user main admin',
    'sentinel auth-pass main admin',
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 4000',
    'requirepass sentinels',
  ]
  const sentinels = [base + 2, base + 3].map(
    (port) => new RedisProcess(t, port, watch, ['--sentinel']),
  )
  await master.start()
  await replica.start()
  await until('the replica in step', async () =>
    /master_link_status:up/.test(await replica.cli('info', 'replication')),
  )
  await Promise.all(sentinels.map((sentinel) => sentinel.start()))
  const entry = entryAt(sentinels.map(({ port }) => port))
  return { master, replica, sentinels, sentinelPassword: 'sentinels', ...entry }
}

function entryAt(ports: readonly number[]): RedisEntry {
  const [url = '', ...seeds] = ports.map((port) => `redis://bff@127.0.0.1:${port}`)
  return { url, seeds, password: PASSWORD }
}

const PACKAGES: Record<string, string> = { 'redis-cli': 'redis-tools' }

function programAt(variable: string, name: string): string {
  const program = process.env[variable] ?? `/usr/bin/${name}`
  if (existsSync(program)) return program
  throw new Error(
    `${name} is needed and is not at ${program}: apt-get install ${PACKAGES[name] ?? name}, or set ${variable}`,
  )
}
