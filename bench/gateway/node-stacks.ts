import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cleanup, ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { CORES, firstLine, onCore, pidOf, stop } from './process.ts'
import { AGENT } from './product.ts'
import { type Caller, FIXED, type Subject, TOKEN_END } from './subject.ts'

const FROM = join(import.meta.dirname, 'stacks')
const AT = join(ROOT, '.data/bench/stacks')
/** With the end that is each caller's own, as long as our tokens. */
const BEARER = FIXED.slice(0, -TOKEN_END)

/** Installs the packages of the other stacks where nothing of ours finds them; says why it cannot. */
export function installStacks(): string | undefined {
  const wanted = readFileSync(join(FROM, 'package.json'), 'utf8')
  const present = join(AT, 'node_modules/.package-lock.json')
  const old = existsSync(present) ? readFileSync(join(AT, 'package.json'), 'utf8') : ''
  cpSync(FROM, AT, { recursive: true })
  if (old === wanted) return undefined
  process.stderr.write('installing the packages of other stacks into .data/bench/stacks\n')
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  const { status } = spawnSync('npm', args, { cwd: AT, stdio: ['ignore', 'ignore', 'inherit'] })
  return status === 0 ? undefined : 'npm install failed (no network?)'
}

export const startFastify = (t: Cleanup, backend: number, callers: readonly Caller[]) =>
  start(t, 'Fastify + @fastify/http-proxy', 'fastify.mjs', backend, callers)

export async function startExpress(
  t: Cleanup,
  backend: number,
  callers: readonly Caller[],
): Promise<Subject> {
  const name = 'Express + express-session + http-proxy-middleware'
  const subject = await start(t, name, 'express.mjs', backend, callers)
  const signedIn = callers.map(async ({ token }) => {
    const url = `http://127.0.0.1:${subject.port}/sign-in`
    const { headers } = await fetch(url, { method: 'POST', headers: { 'x-token': token } })
    const [cookie] = headers.get('set-cookie')?.split(';') ?? []
    if (cookie === undefined) throw new Error('Express gave no cookie')
    return { cookie, token }
  })
  return { ...subject, callers: await Promise.all(signedIn) }
}

async function start(
  t: Cleanup,
  name: string,
  file: string,
  backend: number,
  callers: readonly Caller[],
): Promise<Subject> {
  const child = onCore(CORES.subject, process.execPath, [join(AT, file)], {
    ...{ cwd: AT, stdin: 'pipe' },
    env: { NODE_ENV: 'production' },
  })
  t.after(() => stop(child))
  child.stdin?.end(JSON.stringify({ backend, callers, bearer: BEARER }))
  const { port } = await firstLine<{ port: number }>(child)
  return { name, port, pids: [pidOf(child)], path: '/bench', agent: AGENT, callers }
}
