import { parseArgs } from 'node:util'
import { type Entitlement, entitlementOf } from '@audience-bridge/chain/entitlement.ts'
import { formatPlace } from '@audience-bridge/chain/fault.ts'
import { readConfig, readSources, soundConfig } from '../files/config-sources.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'

/** `bridge can --client C --scopes "S …" --service X`: what token would come out, and why. */
export async function canCommand(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: 'string', default: 'ServiceConfigs' },
      client: { type: 'string' },
      scopes: { type: 'string' },
      service: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const config = soundConfig(readConfig(readSources(values.config, process.env), process.env))
  const { oauth_scopes: asked, client_id: id } = config.settings.auth
  const { client = id, service } = values
  if (service === undefined || (values.scopes === undefined && client !== id)) {
    throw new CouldNotRun(
      'bridge can --client C --scopes "S …" --service X; without client and scopes: the BFF after a login',
    )
  }
  const held = (values.scopes ?? asked).split(/[\s,]+/).filter((scope) => scope !== '')
  const answer = entitlementOf(config, client, held, service)
  if (typeof answer === 'string') throw new CouldNotRun(answer)
  process.stdout.write(values.json ? `${JSON.stringify(answer, null, 2)}\n` : render(answer))
  return answer.token === undefined ? FAULTS_FOUND : DONE
}

function render({ client, held, audience, asked, grounds, token, refusal }: Entitlement): string {
  const verdict =
    token === undefined
      ? `No: ${refusal?.error}: ${refusal?.description}.`
      : `Yes: a token with aud ${token.aud} and scope ${token.scope}.`
  return [
    verdict,
    `  client   ${client}, holding ${held.join(' ') || 'no scope'}`,
    `  asks for ${audience}${asked === undefined ? '' : ` with ${asked.join(' ')}`}`,
    ...grounds.map(
      ({ text, at }) => `  because  ${text}${at === undefined ? '' : `  (${formatPlace(at)})`}`,
    ),
    '',
  ].join('\n')
}
