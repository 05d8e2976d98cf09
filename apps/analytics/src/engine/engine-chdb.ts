import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createClient } from '@clickhouse/client'
import { drainPending } from 'chdb'
import { createChdbConnection } from 'chdb/connection'
import { createClientEngine } from './client-engine.ts'
import { type Engine, EngineError } from './engine.ts'

/*
 * ClickHouse inside this process. What was measured of it: it must not be loaded in a worker
 * thread (it crashes there); a process opens one directory and a directory serves one process;
 * settings stick to a client once sent, so every call sends all of its own; aborting a call leaves
 * the query running, only `max_execution_time` ends it. Queries run on libuv's threads: the event
 * loop stays free (5 to 15 ms of delay at most, beside a six-second query).
 */

const READERS = 2

/**
 * @param path a directory, made when absent.
 * @throws EngineError when it cannot be opened; the message says why and is for the operator.
 */
export async function openEmbedded(path: string): Promise<Engine> {
  const directory = resolve(path)
  try {
    mkdirSync(directory, { recursive: true })
    const open = () => createClient({ connection: connect(directory) })
    const writer = open()
    const readers = Array.from({ length: READERS }, open)
    return createClientEngine({ writer, readers, release: () => drainPending() })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const owner = ownerOf(directory)
    const text =
      owner === undefined
        ? `cannot open the embedded engine at ${directory}: ${why}`
        : `another process (${owner}) seems to use the directory ${directory}: stop it or choose another engine.path`
    throw new EngineError('failed', text, cause)
  }
}

/** The client carries its own copy of the types that chdb implements; they are the same but in name. */
function connect(path: string): NonNullable<ClientConfig['connection']> {
  return createChdbConnection({ path }) as unknown as NonNullable<ClientConfig['connection']>
}

type ClientConfig = NonNullable<Parameters<typeof createClient>[0]>

/** The process that the engine's status file names; asked only after an open that failed. */
function ownerOf(directory: string): string | undefined {
  try {
    return /^PID: (\d+)$/m.exec(readFileSync(join(directory, 'status'), 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
