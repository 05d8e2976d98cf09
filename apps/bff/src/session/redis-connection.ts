import { createClient, createCluster, ErrorReply, RESP_TYPES, type RedisClientOptions } from 'redis'
import type { Open, Reopened } from './redis-reopener.ts'

/** Where the Redis is, and as whom to sign in. */
export interface RedisAddress {
  /** `redis://[user@]host[:port][/database]` or `rediss://…`: one node, or the first seed. */
  url: string
  /** More seeds: nodes of the cluster, or sentinels. */
  seeds: readonly string[]
  cluster: boolean
  /** The seeds are sentinels of this master. */
  sentinelMaster: string | undefined
  password: string | undefined
  sentinelPassword: string | undefined
  /** Certificates (PEM) that vouch for the servers; undefined: Node's own. */
  ca: string | undefined
}

export type RedisArgument = string | Buffer

/** One connection, or one to each node of a cluster. It is never mended: who loses it opens another. */
export interface RedisConnection {
  /**
   * Sends a command, once. `key` says which node of a cluster. Strings in the reply are Buffers.
   *
   * @throws what Redis answers, or why there is no answer.
   */
  send(key: string, command: RedisArgument[]): Promise<unknown>
  /** The nodes that take writes, as far as is known. */
  nodes(): string[]
  sendTo(node: string, command: RedisArgument[]): Promise<unknown>
  /** Whether it still serves the keys of other nodes when one fails. */
  readonly partial: boolean
  /** Commands under way fail. */
  close(): void
}

/** A connection that is told what is published. */
export type Subscription = Reopened

export type Subscribe = (
  channels: string[],
  hear: (message: string, channel: string) => void,
) => Open<Subscription>

/*
 * A connection that breaks is given up, and one over which nothing comes is broken: a peer that was
 * paused or cut off sends no FIN. Whatever waits on it fails then instead of being sent again,
 * because the first sending may have taken effect.
 */
const SOCKET = { connectTimeout: 1000, socketTimeout: 1500, reconnectStrategy: false } as const
const COMMON = {
  RESP: 2,
  pingInterval: 500,
  disableOfflineQueue: true,
  disableClientInfo: true,
  maintNotifications: 'disabled',
} as const
/** No more commands wait for one connection; the next fails at once. */
const MAX_WAITING = 10_000
const BINARY = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } as const

export function redisOpener(address: RedisAddress): Open<RedisConnection> {
  if (address.cluster) return (lost) => openCluster(address, lost)
  const name = address.sentinelMaster
  if (name === undefined) return (lost) => openNode(nodeOptions(address), lost)
  return async (lost) => leaving(await openMaster(address, name, lost), lost)
}

/** Listens at the one node, at the master, or at any node of a cluster: each tells all the others. */
export const redisSubscriber =
  (address: RedisAddress): Subscribe =>
  (channels, hear) =>
  async (lost) => {
    const { cluster, sentinelMaster } = address
    const connection = await (cluster
      ? openAnySeed(address, lost)
      : sentinelMaster === undefined
        ? openNode(nodeOptions(address), lost)
        : openMaster(address, sentinelMaster, lost))
    try {
      await connection.subscribe(channels, hear)
    } catch (cause) {
      connection.close()
      throw cause
    }
    return { partial: false, close: () => connection.close() }
  }

interface NodeConnection extends RedisConnection {
  call(command: string[]): Promise<unknown>
  subscribe(channels: string[], hear: (message: string, channel: string) => void): Promise<unknown>
}

async function openNode(
  options: RedisClientOptions,
  lost: (cause: Error) => void,
): Promise<NodeConnection> {
  const client = createClient({ ...options, ...COMMON, commandsQueueMaxLength: MAX_WAITING })
  client.on('error', lost)
  try {
    await client.connect()
  } catch (cause) {
    client.destroy()
    throw cause
  }
  return {
    partial: false,
    nodes: () => [''],
    send: (_key, command) => client.sendCommand(command, BINARY),
    sendTo: (_node, command) => client.sendCommand(command, BINARY),
    call: (command) => client.sendCommand(command),
    subscribe: (channels, hear) => client.subscribe(channels, hear),
    close: () => client.destroy(),
  }
}

async function openCluster(
  address: RedisAddress,
  lost: (cause: Error) => void,
): Promise<RedisConnection> {
  const { socket, ...credentials } = nodeOptions(address)
  const cluster = createCluster({
    RESP: 2,
    rootNodes: seedsOf(address).map((seed) => ({ socket: socketOf(seed, address) })),
    defaults: {
      ...COMMON,
      ...credentials,
      commandsQueueMaxLength: MAX_WAITING,
      // Hosts and ports come from the cluster; the rest is the same for every node.
      socket: { ...SOCKET, ...(socket.tls ? { tls: true, ca: socket.ca } : {}) },
    },
    // Connecting to each node ahead would wait for one that is away.
    minimizeConnections: true,
  })
  cluster.on('error', () => {})
  cluster.on('node-error', lost)
  try {
    await cluster.connect()
  } catch (cause) {
    cluster.destroy()
    throw cause
  }
  return {
    partial: true,
    nodes: () => cluster.masters.map(({ address }) => address),
    send: (key, command) => cluster.sendCommand(key, false, command, BINARY),
    async sendTo(node, command) {
      const master = cluster.masters.find(({ address }) => address === node)
      if (master === undefined) throw new Error(`${node} is no master of the cluster`)
      return (await cluster.nodeClient(master)).sendCommand(command, BINARY)
    },
    close: () => cluster.destroy(),
  }
}

async function openAnySeed(
  address: RedisAddress,
  lost: (cause: Error) => void,
): Promise<NodeConnection> {
  const causes: unknown[] = []
  const seeds = seedsOf(address)
  const first = Math.floor(Math.random() * seeds.length)
  for (const seed of [...seeds.slice(first), ...seeds.slice(0, first)]) {
    try {
      return await openNode(nodeOptions(address, seed), lost)
    } catch (cause) {
      causes.push(cause)
    }
  }
  throw new AggregateError(causes, 'no node of the cluster answers')
}

/** Asks one sentinel after the other where the master is, and connects there. */
async function openMaster(
  address: RedisAddress,
  name: string,
  lost: (cause: Error) => void,
): Promise<NodeConnection> {
  const causes: unknown[] = []
  for (const seed of seedsOf(address)) {
    try {
      const { socket, ...options } = nodeOptions(address)
      const master = await askSentinel(seed, address, name)
      const connection = await openNode({ ...options, socket: { ...socket, ...master } }, lost)
      // A sentinel may not have heard of a failover yet: what a replica took would be lost.
      const role = await connection.call(['ROLE']).catch((cause: unknown) => cause)
      if (Array.isArray(role) && role[0] === 'master') return connection
      connection.close()
      throw new Error(`${master.host}:${master.port} is not a master`, { cause: role })
    } catch (cause) {
      causes.push(cause)
    }
  }
  throw new AggregateError(causes, `no sentinel names a master "${name}" that answers`)
}

/** A connection that is lost as soon as its server says that it is no master any more. */
function leaving(connection: RedisConnection, lost: (cause: Error) => void): RedisConnection {
  return {
    ...connection,
    async send(key, command) {
      try {
        return await connection.send(key, command)
      } catch (cause) {
        if (cause instanceof ErrorReply && cause.message.startsWith('READONLY ')) lost(cause)
        throw cause
      }
    },
  }
}

async function askSentinel(
  seed: string,
  address: RedisAddress,
  name: string,
): Promise<{ host: string; port: number }> {
  const { sentinelPassword: password } = address
  const options = {
    socket: { ...SOCKET, ...socketOf(seed, address) },
    ...(password === undefined ? {} : { password }),
  }
  const sentinel = await openNode(options, () => {})
  try {
    const answer = await sentinel.call(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name])
    if (!Array.isArray(answer)) throw new Error(`the sentinel knows no master "${name}"`)
    const [host, port] = answer as [string, string]
    return { host, port: Number(port) }
  } finally {
    sentinel.close()
  }
}

const seedsOf = ({ url, seeds }: RedisAddress) => [url, ...seeds]

function nodeOptions(address: RedisAddress, seed = address.url) {
  const url = new URL(address.url)
  return {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(address.password === undefined ? {} : { password: address.password }),
    database: Number(url.pathname.slice(1)),
    socket: { ...SOCKET, ...socketOf(seed, address) },
  }
}

function socketOf(seed: string, { url, ca }: RedisAddress) {
  const { hostname, port } = new URL(seed)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    host,
    port: port === '' ? 6379 : Number(port),
    ...(url.startsWith('rediss:')
      ? { tls: true as const, ...(ca === undefined ? {} : { ca }) }
      : { tls: false as const }),
  }
}
