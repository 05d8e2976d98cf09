import { parseArgs } from 'node:util'
import { addServicePatches, type NewService } from '@audience-bridge/chain/add-service.ts'
import { MINT_METHODS } from '@audience-bridge/chain/bff-settings.ts'
import { knowsService } from '@audience-bridge/chain/remove-service.ts'
import { readConfig, readSources, soundConfig, textsOf } from '../files/config-sources.ts'
import { applyPatches, findIn, mend, newIn } from '../files/mending.ts'
import { replaceFile } from '../files/replace-file.ts'
import { CouldNotRun, DONE, FAULTS_FOUND } from '../outcome.ts'
import { changesBetween } from '../report/diff.ts'
import { paintFor } from '../report/paint.ts'
import { isSound, type Proposal, proposalJson, renderProposal } from '../report/proposal.ts'

const USAGE =
  'bridge add-service NAME --base-url URL --audience A --scopes "S …" --path /api/x/* [--upstream-path P] [--methods GET,POST] [--mint M]'

/** `bridge add-service`: one change over all files, by owner; `--write` applies it. */
export async function addServiceCommand(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      config: { type: 'string', default: 'ServiceConfigs' },
      'base-url': { type: 'string' },
      audience: { type: 'string' },
      scopes: { type: 'string' },
      path: { type: 'string' },
      'upstream-path': { type: 'string' },
      methods: { type: 'string' },
      mint: { type: 'string' },
      write: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const service = serviceFrom(positionals, values)
  const sources = readSources(values.config, process.env)
  const read = readConfig(sources, process.env)
  const config = soundConfig(read)
  if (knowsService(config, service.name)) {
    throw new CouldNotRun(`${service.name} is there already; bridge remove-service takes it away`)
  }

  const before = findIn(sources, process.env)
  const added = applyPatches(sources, addServicePatches(config, service))
  // What the new service needs besides, and nothing that was amiss before.
  const ours = newIn(findIn(added, process.env), before).filter(({ kind }) => kind === 'broken')
  const names = new Set(ours.map(({ code, found }) => `${code} ${found}`))
  const { sources: after, left } = mend(added, process.env, ({ code, found }) =>
    names.has(`${code} ${found}`),
  )
  const proposal: Proposal = {
    changes: changesBetween(textsOf(sources), textsOf(after)),
    problems: newIn(left, before),
    notes: [
      sources.idp === undefined
        ? `The IdP's files are not readable here. Its team maps ${service.scopes.join(', ')} to "${service.audience}", lets the login's widest scope imply them, and adds the audience to allowed_audiences of ${config.settings.auth.client_id}.`
        : sessionsNote(config.settings.auth.oauth_scopes, readConfig(after, process.env), service),
    ],
  }
  if (values.write && isSound(proposal)) {
    for (const change of proposal.changes) replaceFile(change.file, change.after)
  }
  process.stdout.write(
    `${values.json ? proposalJson(proposal, values.write) : renderProposal(proposal, values.write, paintFor(process.stdout))}\n`,
  )
  return isSound(proposal) ? DONE : FAULTS_FOUND
}

function sessionsNote(asked: string, after: ReturnType<typeof readConfig>, service: NewService) {
  const now = after.config?.settings.auth.oauth_scopes
  return now !== asked || service.mint === 'refresh_resource'
    ? 'Sessions of yesterday are renewed at the IdP on their first call, without a password.'
    : 'Sessions of yesterday call it without signing in again.'
}

function serviceFrom(
  positionals: readonly string[],
  values: Record<string, string | boolean | undefined>,
): NewService {
  const [name, ...more] = positionals
  const text = (key: string) => (typeof values[key] === 'string' ? values[key] : undefined)
  const [baseUrl, audience, scopes, path] = ['base-url', 'audience', 'scopes', 'path'].map(text)
  if (!name || more.length > 0 || !baseUrl || !audience || !scopes || !path) {
    throw new CouldNotRun(USAGE)
  }
  if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) {
    throw new CouldNotRun(`"${name}" is no name for a service: letters, digits, "_" and "-"`)
  }
  const mint = MINT_METHODS.find((method) => method === text('mint'))
  if (text('mint') !== undefined && mint === undefined) {
    throw new CouldNotRun(`--mint is one of ${MINT_METHODS.join(', ')}`)
  }
  return {
    name,
    baseUrl,
    audience,
    scopes: scopes.split(/[\s,]+/).filter((scope) => scope !== ''),
    path,
    mint,
    upstreamPath: text('upstream-path'),
    methods: text('methods')
      ?.split(/[\s,]+/)
      .map((method) => method.toUpperCase()),
  }
}
