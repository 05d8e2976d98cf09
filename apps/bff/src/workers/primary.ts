import cluster, { type Worker } from 'node:cluster'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { Counter, Gauge, Registry } from 'prom-client'
import type { FromPrimary, FromWorker, Question } from './messages.ts'
import { SLOT_VARIABLE, type Slot } from './slot.ts'
import { type Snapshot, Totals } from './totals.ts'

/** A worker that died is followed after so long, in milliseconds, and after twice as long each time. */
const AGAIN_MS = { first: 100, most: 30_000 }
/** Who lived for so long, in milliseconds, did not die of what it was started with. */
const LIVED_MS = 60_000
/** A worker that does not answer for so long, in milliseconds, is not waited for. */
const ANSWER_MS = 2_000

interface Place {
  number: number
  worker: Worker
  startedAt: number
  deaths: number
  listens: boolean
  again: NodeJS.Timeout | undefined
}

/** The process that accepts connections, hands them to the workers in turn, and keeps these alive. */
export interface Primary {
  /** Has every worker read the files now. */
  reload(): Promise<void>
  /**
   * Stops accepting, and waits until the workers have answered what is under way.
   *
   * @param limitMs who takes longer is killed.
   * @throws when one of them did not end well.
   */
  close(limitMs: number): Promise<void>
}

/**
 * Starts the first worker, which makes what all share, then the others.
 *
 * @throws when one of them cannot start; it has said why.
 */
export async function startWorkers(
  { count, fixed }: Pick<Slot, 'count' | 'fixed'>,
  log: Logger,
): Promise<Primary> {
  cluster.schedulingPolicy = cluster.SCHED_RR
  const places = new Map<number, Place>()
  const totals = new Totals()
  const asked = new Map<number, (worker: Worker, value: unknown) => void>()
  const own = new Registry()
  let lastId = 0
  let stopping = false

  const running = () => [...places.values()].filter(({ worker }) => worker.isConnected())
  new Gauge({
    name: 'bff_workers',
    help: 'Worker processes that run.',
    registers: [own],
    collect() {
      this.set(running().length)
    },
  })
  const restarts = new Counter({
    name: 'bff_worker_restarts_total',
    help: 'Workers that died and were followed by another.',
    registers: [own],
  })

  const send = (worker: Worker, message: FromPrimary) => {
    if (worker.isConnected()) worker.send(message, () => {})
  }

  /** Asks all workers that run. @returns what they answered, by their number. */
  const askAll = (question: Question): Promise<Map<number, unknown>> => {
    const id = ++lastId
    const answers = new Map<number, unknown>()
    const waiting = new Map(running().map(({ worker, number }) => [worker, number]))
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(late)
        asked.delete(id)
        resolve(answers)
      }
      const late = setTimeout(done, ANSWER_MS)
      asked.set(id, (worker, value) => {
        const number = waiting.get(worker)
        if (number === undefined) return
        waiting.delete(worker)
        if (value !== undefined) answers.set(number, value)
        // While it lives: one that dies before the others have answered is counted once.
        if (value !== undefined && question === 'metrics') totals.note(number, value as Snapshot)
        if (waiting.size === 0) done()
      })
      if (waiting.size === 0) done()
      for (const worker of waiting.keys()) send(worker, { kind: 'asked', id, question })
    })
  }

  const answerTo = async (question: Question): Promise<unknown> => {
    const expected = running().length
    const answers = await askAll(question)
    // Half of a reload is not to be told as a whole.
    if (question === 'reload') return answers.size < expected ? undefined : [...answers.values()]
    return totals.text(own)
  }

  cluster.on('message', (worker, message: FromWorker) => {
    if (message.kind === 'answer') asked.get(message.id)?.(worker, message.value)
    else if (message.kind === 'ask') {
      const { id, question } = message
      answerTo(question).then(
        (value) => send(worker, { kind: 'told', id, value }),
        (cause: unknown) => {
          log.error({ err: cause, question }, 'the workers could not be asked')
          send(worker, { kind: 'told', id })
        },
      )
    }
  })

  /** Resolves when it listens. */
  const start = (number: number, deaths = 0): Promise<void> => {
    const slot: Slot = { number, count, fixed }
    const worker = cluster.fork({ [SLOT_VARIABLE]: JSON.stringify(slot) })
    const startedAt = performance.now()
    const place: Place = { number, worker, startedAt, deaths, listens: false, again: undefined }
    places.set(number, place)
    return new Promise((resolve, reject) => {
      worker.once('listening', () => {
        place.listens = true
        resolve()
      })
      worker.once('exit', (code, signal) => {
        reject(new Error(`worker ${number} ended with ${signal ?? code} before it listened`))
        for (const hear of asked.values()) hear(worker, undefined)
        totals.forget(number)
        if (stopping || !(started || place.listens)) return
        followUp(place, signal ?? code)
      })
    })
  }

  const followUp = (place: Place, how: string | number) => {
    const { number, startedAt } = place
    const deaths = performance.now() - startedAt > LIVED_MS ? 0 : place.deaths
    const ms = Math.min(AGAIN_MS.first * 2 ** deaths, AGAIN_MS.most)
    log.error(
      { worker: number, ended_with: how, again_in_ms: ms, running: running().length },
      `worker ${number} died; another follows`,
    )
    place.again = setTimeout(() => {
      restarts.inc()
      start(number, deaths + 1).then(
        () => log.info({ worker: number, running: running().length }, `worker ${number} is back`),
        () => {},
      )
    }, ms)
  }

  let started = false
  try {
    await start(1)
    await Promise.all(Array.from({ length: count - 1 }, (_, i) => start(i + 2)))
    started = true
  } catch (cause) {
    for (const { worker } of running()) worker.process.kill('SIGKILL')
    throw cause
  }

  return {
    reload: async () => void (await answerTo('reload')),
    async close(limitMs) {
      stopping = true
      for (const { again } of places.values()) clearTimeout(again)
      const kill = () => {
        for (const { worker } of places.values()) worker.process.kill('SIGKILL')
      }
      const late = setTimeout(kill, limitMs)
      const ends = running().map(async ({ number, worker, listens }) => {
        const ended = new Promise<number | string>((resolve) =>
          worker.once('exit', (code, signal) => resolve(signal ?? code)),
        )
        // It has taken no request, and does not hear us yet.
        if (!listens) worker.process.kill('SIGKILL')
        send(worker, { kind: 'stop' })
        const how = await ended
        return { number, how: listens ? how : 0 }
      })
      const bad = (await Promise.all(ends)).filter(({ how }) => how !== 0)
      clearTimeout(late)
      if (bad.length === 0) return
      const names = bad.map(({ number, how }) => `worker ${number} ended with ${how}`)
      throw new Error(names.join('; '))
    },
  }
}
