import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  type ConfigFile,
  type Edits,
  inOrder,
  ROOT,
  replace,
} from '@audience-bridge/testkit/config-copy.ts'
import { type Echo, startEcho } from '@audience-bridge/testkit/echo.ts'
import { type System, startSystem } from '@audience-bridge/testkit/system.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

/** The whole system with one more service, an echo backend, and a member's session of yesterday. */
export interface FaultWorld {
  system: System
  echo: Echo
  visitor: Visitor
  /** File that holds the Cookie header of the visitor's session. */
  cookieFile: string
  adminToken: string
}

export const ECHO_AUDIENCE = 'https://echo.example'

const EDITS: Record<
  Extract<
    ConfigFile,
    `BFF/config/${'routes' | 'settings'}.yaml` | `IdP/config/${'settings' | 'clients'}.yaml`
  >,
  (text: string) => string
> = {
  'BFF/config/routes.yaml': inOrder(
    replace(
      'services:\n',
      'services:\n  echo_service:\n    base_url: ${ECHO_URL}\n    timeout: 1\n    probe: /api/echo/ok\n',
    ),
    (text) =>
      `${text}\n  - id: api-echo\n    path: /api/echo/*\n    target_service: echo_service\n    upstream_path: /{path}\n    methods: [GET, POST]\n    auth: session\n`,
  ),
  'BFF/config/settings.yaml': inOrder(
    replace('service_audiences:\n', `service_audiences:\n  echo_service: ${ECHO_AUDIENCE}\n`),
    replace('service_scopes:\n', 'service_scopes:\n  echo_service: echo.read\n'),
    replace('  client_id: bff-server\n', '  client_id: bff-server\n  idp_timeout_seconds: 1\n'),
  ),
  'IdP/config/settings.yaml': inOrder(
    replace('implies: [', 'implies: [echo.read, echo.write, '),
    replace(
      '      - scope: api.read\n',
      `      - scope: echo.read\n        audiences: [${ECHO_AUDIENCE}]\n      - scope: echo.write\n        audiences: [${ECHO_AUDIENCE}]\n      - scope: api.read\n`,
    ),
  ),
  'IdP/config/clients.yaml': replace(
    '  allowed_audiences:\n',
    `  allowed_audiences:\n    - ${ECHO_AUDIENCE}\n`,
  ),
}

export async function startFaultWorld(t: TestContext): Promise<FaultWorld> {
  const echo = await startEcho(t)
  const system = await startSystem(t, { edits: EDITS as Edits, env: { ECHO_URL: echo.origin } })
  const visitor = await system.signedIn('member')
  const cookieFile = join(system.data, 'cookie.txt')
  const world: FaultWorld = {
    system,
    echo,
    visitor,
    cookieFile,
    adminToken: join(system.data, 'secrets/admin.token'),
  }
  keepCookie(world)
  return world
}

const FILES: ConfigFile[] = [
  'BFF/config/routes.yaml',
  'BFF/config/settings.yaml',
  'IdP/config/settings.yaml',
  'IdP/config/clients.yaml',
]

/** @returns what puts the files back as they are now, and waits until they are in force. */
export async function snapshotConfig(world: FaultWorld): Promise<() => Promise<void>> {
  const { system } = world
  const inForce = await versions(world)
  const paths = FILES.map((file) => join(system.config, file))
  const texts = paths.map((path) => readFileSync(path, 'utf8'))
  return async () => {
    for (const [i, path] of paths.entries()) {
      const text = texts[i] ?? ''
      if (readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
    }
    await until('the files of before', async () => (await versions(world)) === inForce)
  }
}

/** The versions in force at BFF and IdP; undefined while one of them does not answer. */
async function versions({ system, adminToken }: FaultWorld): Promise<string | undefined> {
  const token = readFileSync(adminToken, 'utf8').trim()
  const reports = [`${system.bff}/admin/config`, `${system.idp}/health/config`].map(async (url) => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    const { version, refused } = (await response.json()) as { version: string; refused: boolean }
    return refused ? 'refused' : version
  })
  return Promise.all(reports).then(
    (found) => found.join(' '),
    () => undefined,
  )
}

/** Writes the visitor's cookie where `bridge verify --cookie-file` reads it. */
export function keepCookie({ visitor, cookieFile, system }: FaultWorld): void {
  writeFileSync(cookieFile, visitor.jar.header(new URL(system.bff)) ?? '', { mode: 0o600 })
}

/** What a request came to, and what the BFF says of it. */
export interface Seen {
  status: number
  code: string | undefined
  id: string
}

/** One request of the visitor, explained. */
export async function ask(
  world: FaultWorld,
  path = '/api/echo/ok',
  init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
): Promise<Seen> {
  const id = `fault-${randomUUID()}`
  const response = await world.visitor.fetch(path, {
    ...init,
    headers: { ...init.headers, 'x-correlation-id': id },
  })
  await response.text()
  return { status: response.status, code: await explainedCode(world, id), id }
}

/** What the BFF explains of a request; `text` is what `bridge explain` prints. */
export async function explained(
  { system, adminToken }: FaultWorld,
  id: string,
): Promise<{ text: string; broken?: { code: string } } | undefined> {
  const token = readFileSync(adminToken, 'utf8').trim()
  const response = await fetch(`${system.bff}/admin/explain/${id}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const answer = (await response.json()) as { text: string; broken?: { code: string } }
  return response.ok ? answer : undefined
}

/** The code of the first broken link; undefined when none is. */
export async function explainedCode(world: FaultWorld, id: string): Promise<string | undefined> {
  return (await explained(world, id))?.broken?.code
}

/** What `bridge explain` prints. */
export async function explainedByCommand(world: FaultWorld, id: string): Promise<string> {
  return (await runBridge(world, ['explain', id, ...live(world)])).stdout
}

/** What `bridge verify` prints. */
export async function verified(world: FaultWorld, ...format: '--json'[]): Promise<string> {
  const { stdout, stderr } = await runBridge(world, [
    ...['verify', ...live(world), ...format, '--cookie-file', world.cookieFile],
  ])
  return stdout + stderr
}

const live = ({ system, adminToken }: FaultWorld) => [
  ...['--config', system.config, '--url', system.bff, '--token-file', adminToken],
]

/** Runs `bridge` as an administrator would, with the environment of the system. */
export function runBridge(
  { system, echo }: Pick<FaultWorld, 'system' | 'echo'>,
  args: string[],
): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const port = system.portBase
  const child = spawn(process.execPath, [join(ROOT, 'apps/cli/src/main.ts'), ...args], {
    cwd: ROOT,
    env: {
      ...process.env,
      BRIDGE_DATA: system.data,
      BFF_PORT: String(port),
      IDP_PORT: String(port + 1),
      ANALYTICS_PORT: String(port + 2),
      CRUD_PORT: String(port + 3),
      BFF_COOKIE_SUFFIX: String(port),
      ECHO_URL: echo.origin,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ stdout, stderr, code })))
}
