import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { BrokenLink } from '@audience-bridge/chain/link.ts'
import { AdminApi, type AdminRoute, type Explained } from '../live/admin-api.ts'
import { accessFrom, LIVE_OPTIONS } from '../live/bff-url.ts'
import { SIGN_IN_OPTIONS, signInWith } from '../live/sign-in.ts'
import { renderTable } from '../live/table.ts'
import { type CliVisitor, createVisitor } from '../live/visitor.ts'
import { DONE, FAULTS_FOUND } from '../outcome.ts'

/** What became of one route. */
interface Verified {
  route: string
  service: string
  probe: string | undefined
  token: string
  requested_audience: string | undefined
  issued_audience: string | undefined
  scopes: string | undefined
  status: number | undefined
  problem: string | undefined
  broken: BrokenLink | undefined
  correlation_id: string | undefined
}

/** `bridge verify`: signs in as a person would, calls every route, and asks the BFF what it saw. */
export async function verify(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { ...LIVE_OPTIONS, ...SIGN_IN_OPTIONS } })
  const access = accessFrom(values, process.env)
  const visitor = createVisitor(access.url)
  const api = new AdminApi(visitor, access.token)

  const signedIn = await signInWith(visitor, values, 'verify')
  if (signedIn.kind === 'failed') {
    process.stdout.write(`The sign-in ends with ${signedIn.status} at ${signedIn.detail}\n`)
    const id = signedIn.correlationId
    const explained = id === undefined ? undefined : await api.explain(id)
    if (explained !== undefined) process.stdout.write(`${explained.text}\n`)
    return FAULTS_FOUND
  }

  const routes = await api.routes()
  const rows = await Promise.all(routes.map((route) => verifyRoute(visitor, api, route)))
  const backends = (await api.backends()).filter(({ link }) => link?.state === 'broken')
  const config = await api.config()
  const faulty =
    config.refused || rows.some(({ broken }) => broken !== undefined) || backends.length > 0
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ config, routes: rows, backends }, null, 2)}\n`)
  } else {
    process.stdout.write(renderRows(rows))
    for (const { service, link } of backends) {
      if (link?.state === 'broken') {
        process.stdout.write(
          `\n${service}: found ${link.found}; expected ${link.expected}\n  mend ${link.mend}\n`,
        )
      }
    }
    if (config.refused) {
      process.stdout.write(
        `\nThe files on disk are refused; version ${config.version} stays in force:\n  ${config.faults.join('\n  ')}\n`,
      )
    }
    process.stdout.write(
      faulty ? '\nFaults were found.\n' : '\nEvery route that was tried works.\n',
    )
  }
  return faulty ? FAULTS_FOUND : DONE
}

async function verifyRoute(
  visitor: CliVisitor,
  api: AdminApi,
  route: AdminRoute,
): Promise<Verified> {
  const row: Verified = {
    route: route.id,
    service: route.service,
    probe: route.probe,
    token: 'not tried',
    requested_audience: undefined,
    issued_audience: undefined,
    scopes: undefined,
    status: undefined,
    problem: undefined,
    broken: undefined,
    correlation_id: undefined,
  }
  // A bearer route asks for a token that this tool does not have; unsafe methods would change things.
  if (route.probe === undefined || route.auth === 'bearer') return row
  const id = `verify-${randomUUID()}`
  const response = await visitor.fetch(route.probe, { headers: { 'x-correlation-id': id } })
  await response.body?.cancel()
  const explained = await api.explain(id)
  return {
    ...row,
    status: response.status,
    correlation_id: id,
    ...(explained === undefined ? {} : seenIn(explained)),
  }
}

function seenIn({ request, broken }: Explained): Partial<Verified> {
  const { token } = request
  return {
    token: token === undefined ? 'none needed' : token.source,
    requested_audience: token?.requested_audience,
    issued_audience: token?.issued_audiences?.join(' '),
    scopes: token?.issued_scopes?.join(' '),
    problem: request.problem,
    broken,
  }
}

function renderRows(rows: readonly Verified[]): string {
  const table = renderTable(
    [
      'route',
      'service',
      'token',
      'requested audience',
      'issued audience',
      'scopes',
      'status',
      'broken link',
    ],
    rows.map((row) => [
      row.route,
      row.service,
      row.token,
      row.requested_audience ?? '',
      row.issued_audience ?? '',
      row.scopes ?? '',
      row.status === undefined ? '' : String(row.status),
      row.broken === undefined ? '' : `${row.broken.link} [${row.broken.code}]`,
    ]),
  )
  const mends = rows.flatMap(({ route, broken, correlation_id: id }) =>
    broken === undefined
      ? []
      : [
          `\n${route}: found ${broken.found}; expected ${broken.expected}${broken.at === undefined ? '' : `\n  at   ${broken.at.file}:${broken.at.line}:${broken.at.column}`}\n  mend ${broken.mend}\n  more: bridge explain ${id}\n`,
        ],
  )
  return table + mends.join('')
}
