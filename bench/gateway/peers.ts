import { existsSync } from 'node:fs'
import type { Cleanup } from '@audience-bridge/testkit/config-copy.ts'
import { MODULES, startApache } from './apache.ts'
import { EDGE, EDGE_CACHED, startEdge } from './edge.ts'
import { authRequestNginx, LUA, luaNginx, plainNginx } from './nginx.ts'
import { installStacks, startExpress, startFastify } from './node-stacks.ts'
import type { Options } from './options.ts'
import { has } from './process.ts'
import type { Product } from './product.ts'
import type { Caller, Subject } from './subject.ts'

/** What each peer is called on the command line and in the goals, and whether it is nginx in some form. */
const PEERS: readonly [name: string, isNginx: boolean][] = [
  ['nginx proxy_pass', true],
  ['nginx + Lua', true],
  ['nginx + auth_request', true],
  [EDGE_CACHED, true],
  [EDGE, true],
  ['Apache', false],
  ['Fastify', false],
  ['Express', false],
]

/** Signing in takes Apache and the IdP a while, and its cost does not depend on how many there are. */
const APACHE_SESSIONS = 20

/** Starts the peers that are wanted and that this machine has; tells why others are missing. */
export async function startPeers(
  t: Cleanup,
  backend: number,
  product: Product,
  callers: readonly Caller[],
  { only, peers, sessions }: Options,
): Promise<{ subjects: Subject[]; missing: Record<string, string> }> {
  const wanted = PEERS.filter(([, isNginx]) => peers === 'all' || isNginx)
    .map(([name]) => name)
    .filter((name) => only.length === 0 || only.some((part) => name.includes(part)))
  const subjects: Subject[] = []
  const missing: Record<string, string> = {}
  const noNginx = has('nginx') ? undefined : 'apt-get install nginx'
  const noLua = existsSync(LUA) ? noNginx : 'apt-get install libnginx-mod-http-lua'
  const noApache =
    has('apache2') && existsSync(`${MODULES}/mod_auth_openidc.so`)
      ? undefined
      : 'apt-get install apache2 libapache2-mod-auth-openidc'
  const wantsStacks = wanted.includes('Fastify') || wanted.includes('Express')
  const noStacks = wantsStacks ? installStacks() : undefined
  const add = async (
    name: string,
    why: string | undefined,
    start: () => Promise<Subject | Subject[]>,
  ) => {
    if (!wanted.includes(name)) return
    if (why !== undefined) missing[name] = why
    else subjects.push(...[await start()].flat())
  }
  await add('nginx proxy_pass', noNginx, () => plainNginx(t, backend, callers))
  await add('nginx + Lua', noLua, () => luaNginx(t, backend, callers))
  await add('nginx + auth_request', noNginx, () => authRequestNginx(t, backend, callers))
  const edge = wanted.find((name) => name === EDGE || name === EDGE_CACHED)
  if (edge !== undefined) {
    await add(edge, noNginx, async () => {
      const both = await startEdge(t, backend, sessions)
      return both.filter(({ name }) => wanted.includes(name))
    })
  }
  const some = Math.min(sessions, APACHE_SESSIONS)
  await add('Apache', noApache, () => startApache(t, backend, product, some))
  await add('Fastify', noStacks, () => startFastify(t, backend, callers))
  await add('Express', noStacks, () => startExpress(t, backend, callers))
  return { subjects, missing }
}
