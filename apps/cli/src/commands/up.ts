import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { FAULTS_FOUND } from '../outcome.ts'
import { ensureConsole } from '../up/console.ts'
import { prepareData } from '../up/data.ts'
import { Fleet } from '../up/fleet.ts'
import { type Ports, portsFrom } from '../up/ports.ts'
import { checkConfig, checkPorts } from '../up/preflight.ts'
import { showProgress } from '../up/progress.ts'
import { addDemoUsers } from '../up/users.ts'

const ROOT = resolve(import.meta.dirname, '../../../..')

/** `bridge up`: the whole system on this machine, until SIGINT or SIGTERM. */
export async function up(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: 'string', default: join(ROOT, 'ServiceConfigs') },
      data: { type: 'string', default: join(ROOT, '.data') },
      'port-base': { type: 'string' },
      'ready-file': { type: 'string' },
      demo: { type: 'boolean', default: false },
    },
  })
  const config = resolve(values.config)
  const ports = portsFrom(values['port-base'])
  const readyFile = values['ready-file'] === undefined ? undefined : resolve(values['ready-file'])
  // A file of an earlier run must not say that this one is ready.
  if (readyFile !== undefined) rmSync(readyFile, { force: true })

  const data = prepareData(resolve(values.data))
  const env = environment(data.directory, config, ports, values.demo)
  checkConfig(config, env)
  await checkPorts(ports)

  const show = showProgress(process.stdout)
  const fleet = new Fleet({ root: ROOT, env, logDirectory: data.logs, echo: !process.stdout.isTTY })
  const stopped = fleet.stopOnSignal()
  try {
    show('Making users, building the console, starting IdP, analytics and crud …')
    const users = await addDemoUsers(ROOT, env, data.users)
    await Promise.race([
      stopped,
      Promise.all([
        ensureConsole(ROOT),
        fleet.start('idp', 'apps/idp/src/main.ts'),
        fleet.start('analytics', 'apps/analytics/src/main.ts'),
        fleet.start('crud', 'apps/crud/src/main.ts'),
      ]),
    ])
    if (fleet.stopping) return await stopped
    show('Starting the BFF …')
    await Promise.race([stopped, fleet.start('bff', 'apps/bff/src/main.ts')])
    if (fleet.stopping) return await stopped

    const origins = originsOf(ports)
    if (readyFile !== undefined) {
      writeReadyFile(readyFile, {
        ...origins,
        users: users.map(({ username, password, roles }) => ({ username, password, roles })),
        admin_token_file: data.adminToken,
        pids: fleet.pids(),
      })
    }
    show(
      [
        '',
        `  Audience Bridge is up: ${origins.bff}`,
        '',
        ...users.map(
          ({ username, password, roles }) =>
            `    ${username.padEnd(8)} ${password}   ${roles.join(', ')}`,
        ),
        '',
        `  Logs: ${data.logs}   Administrator's token: ${data.adminToken}`,
        '  Stop with Ctrl+C.',
        '',
      ].join('\n'),
    )
    if (values.demo) {
      fleet.startDemo(
        'apps/demo/src/main.ts',
        {
          ANALYTICS_URL: `${origins.analytics}/api/v1/analytics/events`,
          BFF_URL: origins.bff,
          IDP_ISSUER: `${origins.idp}/api/oidc`,
          DEMO_CLIENT_SECRET_FILE: data.demoSecret,
          DEMO_USERS_FILE: data.users,
          DEMO_STATE: join(data.directory, 'demo', 'state.json'),
        },
        show,
      )
    }
    return await stopped
  } catch (cause) {
    process.stderr.write(`bridge up: ${cause instanceof Error ? cause.message : String(cause)}\n`)
    await fleet.stop()
    return FAULTS_FOUND
  }
}

/** What the processes and the configuration's templates see. */
function environment(
  data: string,
  config: string,
  ports: Ports,
  demo: boolean,
): Record<string, string | undefined> {
  return {
    ...process.env,
    BRIDGE_DATA: data,
    BRIDGE_CONFIG: config,
    BFF_PORT: String(ports.bff),
    IDP_PORT: String(ports.idp),
    ANALYTICS_PORT: String(ports.analytics),
    CRUD_PORT: String(ports.crud),
    // Cookies know no ports: two systems on one host name need two cookie names.
    BFF_COOKIE_SUFFIX: ports.bff === 8080 ? '' : String(ports.bff),
    DEMO_GENERATOR: String(demo),
  }
}

function originsOf(ports: Ports) {
  return {
    bff: `http://localhost:${ports.bff}`,
    idp: `http://localhost:${ports.idp}`,
    analytics: `http://localhost:${ports.analytics}`,
    crud: `http://localhost:${ports.crud}`,
  }
}

/** Written beside and renamed: whoever sees the file sees all of it. It holds passwords. */
function writeReadyFile(path: string, content: unknown): void {
  const beside = `${path}.${process.pid}.new`
  writeFileSync(beside, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  renameSync(beside, path)
}
