import type { AccessChange } from '@audience-bridge/chain/access-diff.ts'
import type { Paint } from './paint.ts'

/** Who gains and loses what, a line each. */
export function renderAccessChanges(changes: readonly AccessChange[], paint: Paint): string {
  if (changes.length === 0) return 'Nobody gains or loses access.'
  const lines = changes.map(({ change, access }) => {
    const line = `${change === 'gains' ? '+' : '-'} ${sentence(access)}`
    return change === 'gains' ? paint.green(line) : paint.red(line)
  })
  const gains = changes.filter(({ change }) => change === 'gains').length
  const losses = changes.length - gains
  return `${lines.join('\n')}\n\n${gains} gained, ${losses} lost.`
}

function sentence({
  kind,
  who,
  with: held,
  service,
  audience,
  scopes,
  to,
}: AccessChange['access']) {
  const list = scopes.join(' ')
  switch (kind) {
    case 'route':
      return `route   ${who} may call ${list} ${held} of ${service}${to === undefined ? '' : ` at ${to}`}`
    case 'bridge':
      return `bridge  ${who} with ${held} is sent to ${service} with ${list || 'no scope'} for ${audience}`
    case 'token':
      return `token   ${who} with ${held} can have ${list} for ${audience}${service === '' ? '' : ` (${service})`}`
  }
}
