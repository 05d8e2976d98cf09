import { openSync } from 'node:fs'
import { join } from 'node:path'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import {
  type Cleanup,
  copyConfig,
  type Edits,
  inOrder,
  ROOT,
  replace,
  temporaryDirectory,
} from '@audience-bridge/testkit/config-copy.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { makeUsers, USERS } from '@audience-bridge/testkit/users.ts'
import { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { CORES, onCore, pidOf, stop } from './process.ts'
import type { Caller, Subject } from './subject.ts'

export const PATH = '/api/v1/analytics/bench'
/** What the BFF binds a session to: every request of it has the same. */
export const AGENT = 'node'

export interface Product {
  origin: string
  issuer: string
  bffPid: number
  config: string
  data: string
  /** Signs so many users in, through `origin` or a proxy in front of it. */
  signIn(count: number, origin?: string): Promise<Caller[]>
  subject(name: string, callers: readonly Caller[]): Subject
  /** Stops the BFF, lets something be done to what it keeps, and starts it again. */
  restart(meanwhile: () => Promise<void>): Promise<void>
}

export interface ProductOptions {
  backend: number
  workers?: number
  /** The origin that browsers use, where that is not the BFF itself. */
  publicUrl?: string
  edits?: Edits
}

/**
 * The product as it is deployed: its own main.ts with the shipped configuration, sessions in its
 * store, real tokens by the real IdP, metrics on, the access log complete and in a file. Only the
 * backend is the benchmark's; no events are sent to it, and tokens last an hour, so that none is
 * replaced between two looks at it.
 */
export async function startProduct(
  t: Cleanup,
  { backend, workers = 1, publicUrl, edits = {} }: ProductOptions,
): Promise<Product> {
  const base = await freePorts(2)
  const data = temporaryDirectory(t)
  const { 'BFF/config/settings.yaml': more = (text: string) => text, ...others } = edits
  const config = copyConfig(t, {
    'BFF/config/settings.yaml': inOrder(
      more,
      (text) => text.replace(/\nevents:\n(?: .*\n)+/, '\n'),
      replace('\nauth:\n', '\nauth:\n  service_token_seconds: 3600\n'),
      workers === 1 ? (text) => text : replace('server:\n', `server:\n  workers: ${workers}\n`),
    ),
    'IdP/config/settings.yaml': replace('access_token_seconds: 600', 'access_token_seconds: 3600'),
    ...others,
  })
  for (const name of ['crud-service.secret', 'bff-store.key', 'admin.token', 'edge.secret']) {
    ensureSecretFile(join(data, 'secrets', name))
  }
  await makeUsers(join(data, 'idp/users.yaml'))
  const origin = `http://localhost:${base}`
  const env = {
    BRIDGE_CONFIG: config,
    BRIDGE_DATA: data,
    BFF_PORT: String(base),
    IDP_PORT: String(base + 1),
    BFF_PUBLIC_URL: publicUrl ?? origin,
    BFF_JWKS_URI: `${origin}/.well-known/jwks.json`,
    BFF_COOKIE_SUFFIX: String(base),
    ANALYTICS_PORT: String(backend),
  }
  const start = async (app: string, core: string, health: string) => {
    const stdout = openSync(join(data, `${app}.log`), 'a')
    const main = join(ROOT, `apps/${app}/src/main.ts`)
    // As `bridge up` starts it.
    const flags = ['--max-semi-space-size=16']
    const child = onCore(core, process.execPath, [...flags, main], { env, stdout })
    t.after(() => stop(child))
    await answers(health)
    return child
  }
  const issuer = `http://localhost:${base + 1}/api/oidc`
  await start('idp', CORES.others, `${issuer}/jwks`)
  let bff = await start('bff', CORES.subject, `${origin}/health`)
  return {
    ...{ origin, issuer, config, data },
    get bffPid() {
      return pidOf(bff)
    },
    async signIn(count, at = origin) {
      const callers: Caller[] = []
      while (callers.length < count) callers.push(await signInOnce(at))
      return callers
    },
    subject: (name, callers) => {
      const pids = [pidOf(bff)]
      return { name, port: base, pids, path: PATH, agent: AGENT, callers }
    },
    async restart(meanwhile) {
      await stop(bff)
      await meanwhile()
      bff = await start('bff', CORES.subject, `${origin}/health`)
    },
  }
}

/** A user at the sign-in page, and what the backend gets for them. */
async function signInOnce(origin: string): Promise<Caller> {
  const visitor = new Visitor(origin)
  const landed = await visitor.signIn(USERS.member)
  if (landed.status !== 302) throw new Error(`sign-in ended with ${landed.status}`)
  const answer = await visitor.fetch(PATH)
  if (!answer.ok) throw new Error(`the first call: ${answer.status} ${await answer.text()}`)
  const { token } = (await answer.json()) as { token: string }
  if (token === '') throw new Error('no token came to the backend')
  const cookie = visitor.cookie.split('; ').find((pair) => pair.includes('bff_session'))
  if (cookie === undefined) throw new Error('the session has no cookie')
  return { cookie, token, csrf: await visitor.csrfToken() }
}

/** Waits until somebody answers there. */
export const answers = (url: string, wanted: (status: number) => boolean = (it) => it === 200) =>
  until(
    url,
    () =>
      fetch(url, { redirect: 'manual' }).then(
        ({ status }) => wanted(status),
        () => false,
      ),
    60_000,
  )
