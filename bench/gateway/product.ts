import { openSync } from 'node:fs'
import { join } from 'node:path'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import {
  type Cleanup,
  copyConfig,
  ROOT,
  replace,
  temporaryDirectory,
} from '@audience-bridge/testkit/config-copy.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { makeUsers, USERS } from '@audience-bridge/testkit/users.ts'
import { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { CORES, onCore, stop } from './process.ts'

const PATH = '/api/v1/analytics/bench'

export interface Product {
  port: number
  pid: number
  path: string
  agent: string
  sessions: { cookie: string; token: string }[]
}

/**
 * The product as it is deployed: its own main.ts with the shipped configuration, sessions in its
 * store, real tokens by the real IdP, metrics on, the access log complete and in a file. Only the
 * backend is the benchmark's, and no events are sent to it.
 */
export async function startProduct(
  t: Cleanup,
  backend: number,
  sessionCount: number,
  fastPath: boolean,
): Promise<Product> {
  const base = await freePorts(2)
  const data = temporaryDirectory(t)
  const config = copyConfig(t, {
    'BFF/config/settings.yaml': (text) =>
      replace(
        '  trusted_proxies: []',
        `  trusted_proxies: []\n  fast_path: ${fastPath}`,
      )(text.replace(/\nevents:\n(?: .*\n)+/, '\n')),
  })
  for (const name of ['crud-service.secret', 'bff-store.key', 'admin.token']) {
    ensureSecretFile(join(data, 'secrets', name))
  }
  await makeUsers(join(data, 'idp/users.yaml'))
  const env = {
    BRIDGE_CONFIG: config,
    BRIDGE_DATA: data,
    BFF_PORT: String(base),
    IDP_PORT: String(base + 1),
    BFF_COOKIE_SUFFIX: String(base),
    ANALYTICS_PORT: String(backend),
  }
  const start = (app: string, core: string) => {
    const stdout = openSync(join(data, `${app}.log`), 'a')
    const child = onCore(core, process.execPath, [join(ROOT, `apps/${app}/src/main.ts`)], {
      env,
      stdout,
    })
    t.after(() => stop(child))
    return child
  }
  start('idp', CORES.others)
  const bff = start('bff', CORES.subject)
  const origin = `http://localhost:${base}`
  for (const health of [`http://localhost:${base + 1}/api/oidc/jwks`, `${origin}/health`]) {
    await until(
      health,
      () =>
        fetch(health).then(
          ({ ok }) => ok,
          () => false,
        ),
      60_000,
    )
  }
  const sessions: Product['sessions'] = []
  while (sessions.length < sessionCount) {
    const visitor = new Visitor(origin)
    const landed = await visitor.signIn(USERS.member)
    if (landed.status !== 302) throw new Error(`sign-in ended with ${landed.status}`)
    const answer = await visitor.fetch(PATH)
    const { token } = (await answer.json()) as { token: string }
    if (!answer.ok || token === '')
      throw new Error(`no token came to the backend: ${answer.status}`)
    const cookie = visitor.cookie.split('; ').find((pair) => pair.includes('bff_session'))
    if (cookie === undefined) throw new Error('the session has no cookie')
    sessions.push({ cookie, token })
  }
  if (bff.pid === undefined) throw new Error('the BFF has no process')
  return { port: base, pid: bff.pid, path: PATH, agent: 'node', sessions }
}
