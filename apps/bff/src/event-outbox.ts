import { readdirSync } from 'node:fs'
import { basename, dirname, join, parse, resolve } from 'node:path'
import { EVENTS_SCOPE } from '@audience-bridge/chain/events-scope.ts'
import type { Logger } from '@audience-bridge/kit/log.ts'
import { keptToken } from '@audience-bridge/outbox/kept-token.ts'
import { createOutbox, type Outbox } from '@audience-bridge/outbox/outbox.ts'
import type { BffConfig } from './config.ts'
import type { Idp } from './tokens/idp.ts'

/** Where events go; undefined: nowhere. */
export function openEventOutbox(
  first: BffConfig,
  current: () => BffConfig,
  {
    idp,
    log,
    worker,
  }: {
    idp: () => Pick<Idp, 'clientCredentials'>
    log: Logger
    worker: { number: number; count: number }
  },
): Outbox | undefined {
  const { settings, routes } = first.bridge
  if (settings.events === undefined) return undefined
  const { queue, service } = settings.events
  const base = routes.services[service]?.base_url
  if (base === undefined || !first.requirements.has(service)) {
    log.warn({ service }, `events go nowhere: ${service} has no base_url or no audience`)
    return undefined
  }
  // The BFF's own token for its events, under the configuration of now.
  const token = keptToken(async () => {
    const audience = current().requirements.get(service)?.audience ?? ''
    const answer = await idp().clientCredentials(audience, EVENTS_SCOPE)
    if (answer.kind === 'ok') return answer.value
    const why = answer.kind === 'refused' ? answer.error : answer.reason
    throw new Error(`no token for the events: ${why}`)
  })
  const open = (path: string) =>
    createOutbox({
      path,
      url: `${base.replace(/\/$/, '')}/api/v1/analytics/events`,
      source: 'urn:audience-bridge:bff',
      token,
      log,
    })
  const path = resolve(queue)
  const own = open(queueOf(path, worker.number))
  const left = worker.number === 1 ? openLeft(path, worker.count, open, log) : []
  return {
    ...own,
    close: async () => void (await Promise.all([own, ...left].map((outbox) => outbox.close()))),
  }
}

/** A queue is one process's: each worker but the first has one beside the configured one. */
function queueOf(path: string, worker: number): string {
  const { dir, name, ext } = parse(path)
  return worker === 1 ? path : join(dir, `${name}.worker-${worker}${ext}`)
}

/** What workers have not sent that there were before, when there were more of them. */
function openLeft(path: string, count: number, open: (path: string) => Outbox, log: Logger) {
  const numbers = filesIn(dirname(path)).flatMap((file) => {
    const number = Number(/\.worker-([0-9]+)/.exec(file)?.[1])
    return number > count && file === basename(queueOf(path, number)) ? [number] : []
  })
  return numbers.flatMap((number) => {
    try {
      return [open(queueOf(path, number))]
    } catch (cause) {
      log.warn({ err: cause, worker: number }, 'what an earlier worker has not sent stays unsent')
      return []
    }
  })
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
