import cluster from 'node:cluster'
import type { LiveStatus } from '@audience-bridge/kit/live.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { Registry } from 'prom-client'
import type { FromPrimary, FromWorker, Question } from './messages.ts'

/** Nobody waits longer for the others, in milliseconds. */
const PATIENCE_MS = 5_000

/** A worker's way to the primary, and through it to the other workers. */
export interface WorkerLink {
  /** Metrics of all workers, as `/metrics` says them. */
  metrics(): Promise<string>
  /** Has every worker read the files now; refused where one of them did. */
  reload(): Promise<LiveStatus>
}

/** What this worker answers when others ask. */
export interface WorkerSelf {
  registry: Registry
  reload(): Promise<LiveStatus>
  stop(): void
}

export function openWorkerLink(self: WorkerSelf, log: Logger): WorkerLink {
  const asking = new Map<number, (value: unknown) => void>()
  let lastId = 0

  const send = (message: FromWorker) => {
    // What cannot be sent is lost with the primary, and this process with it.
    if (cluster.worker?.isConnected()) cluster.worker.send(message, () => {})
  }
  const answer = async (id: number, question: Question) => {
    try {
      const work = question === 'metrics' ? self.registry.getMetricsAsJSON() : self.reload()
      send({ kind: 'answer', id, value: await work })
    } catch (cause) {
      log.error({ err: cause, question }, 'a question of the other workers could not be answered')
      send({ kind: 'answer', id })
    }
  }
  cluster.worker?.on('message', (message: FromPrimary) => {
    if (message.kind === 'stop') self.stop()
    else if (message.kind === 'asked') void answer(message.id, message.question)
    else if (message.kind === 'told') asking.get(message.id)?.(message.value)
  })
  cluster.worker?.once('disconnect', () => {
    // Nobody gives us connections any more, and whoever starts next must find nothing locked.
    if (!cluster.worker?.exitedAfterDisconnect) log.fatal('the primary is gone: so is this worker')
  })

  const ask = async (question: Question): Promise<unknown> => {
    const id = ++lastId
    const told = Promise.withResolvers<unknown>()
    const late = setTimeout(() => told.resolve(undefined), PATIENCE_MS)
    asking.set(id, told.resolve)
    send({ kind: 'ask', id, question })
    return told.promise.finally(() => {
      clearTimeout(late)
      asking.delete(id)
    })
  }

  return {
    async metrics() {
      const text = await ask('metrics')
      if (typeof text !== 'string') throw new Error('the metrics of all workers did not come')
      return text
    },
    async reload() {
      const all = (await ask('reload')) as LiveStatus[] | undefined
      const status = all?.find(({ refused }) => refused) ?? all?.[0]
      if (status === undefined) throw new Error('not every worker has read the configuration')
      return status
    },
  }
}
