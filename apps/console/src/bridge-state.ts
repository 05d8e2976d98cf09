import type { Config, ConfigStatus } from './api/admin.ts'
import { formatPlural } from './format.ts'

export type Verdict = { tone: 'ok' | 'warn' | 'bad'; text: string }

/** The state of the whole bridge in one line. */
export function verdictOf(config: Pick<Config, 'refused' | 'broken_links'>): Verdict {
  const broken = config.broken_links.length
  const routes = `${formatPlural(broken, 'route')} ${broken === 1 ? 'is' : 'are'} broken`
  if (config.refused) {
    const also = broken === 0 ? '' : `, and ${routes}`
    return { tone: 'bad', text: `The files on disk are refused${also}` }
  }
  if (broken > 0) return { tone: 'bad', text: routes }
  return { tone: 'ok', text: 'No route is broken' }
}

/** What came of a reload that somebody asked for. */
export function reloadOutcome(before: string | undefined, now: ConfigStatus): string {
  if (now.refused) {
    return `The files were read and refused: ${formatPlural(now.faults.length, 'fault')}. Version ${now.version} stays in force.`
  }
  if (before === now.version) return `The files were read: nothing has changed.`
  return `The files were read: version ${now.version} is in force.`
}

/** What explains a request on a terminal. Ids that a shell would read otherwise are quoted. */
export function explainCommand(id: string): string {
  const word = /^[A-Za-z0-9._-]+$/.test(id) ? id : `'${id.replaceAll("'", "'\\''")}'`
  return `npx bridge explain ${word}`
}
