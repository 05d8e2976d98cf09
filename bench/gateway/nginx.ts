import { mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { type Cleanup, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { CORES, firstLine, onCore, pidOf, stop } from './process.ts'
import { AGENT, answers } from './product.ts'
import { type Caller, FIXED, type Subject, TOKEN_END } from './subject.ts'

export const LUA = '/usr/lib/nginx/modules/ngx_http_lua_module.so'

/** As many connections as the largest measure opens, on both sides. */
const CONNECTIONS = 20_000

interface Parts {
  modules?: string
  http?: string
  location: string
  /** Further locations that do the same as `/`. */
  prefixes?: readonly string[]
  more?: string
}

/** Callers of somebody who knows but one token. */
const fixed = (callers: readonly Caller[]): Caller[] =>
  callers.map(({ cookie }) => ({ cookie, token: FIXED.slice(-TOKEN_END) }))

/** Carries requests and puts one token in: the least that a gateway could do. */
export async function plainNginx(
  t: Cleanup,
  backend: number,
  callers: readonly Caller[],
  prefixes: readonly string[] = [],
): Promise<Subject> {
  const { port, pids } = await nginx(t, backend, {
    prefixes,
    location: `proxy_set_header Authorization "Bearer ${FIXED}"; proxy_set_header Cookie "";`,
  })
  const name = 'nginx proxy_pass, fixed bearer'
  return { name, port, pids, path: '/bench', agent: AGENT, callers: fixed(callers) }
}

/** As lua-resty-openidc in its best case: the session is in shared memory and needs no cryptography. */
export async function luaNginx(
  t: Cleanup,
  backend: number,
  callers: readonly Caller[],
): Promise<Subject> {
  const set = callers
    .map(({ cookie, token }) => {
      const value = /=([^;]+)/.exec(cookie)?.[1]
      return `d:set("${value}", "Bearer ${'t'.repeat(876)}${token}")`
    })
    .join('\n')
  const cookieName = /^([^=]+)=/.exec(callers[0]?.cookie ?? '')?.[1]
  const { port, pids } = await nginx(t, backend, {
    modules: `load_module /usr/lib/nginx/modules/ndk_http_module.so; load_module ${LUA};`,
    http: `lua_shared_dict sessions 16m; init_by_lua_block { local d = ngx.shared.sessions\n${set} }`,
    location: `access_by_lua_block {
      local cookie = ngx.var.http_cookie or ""
      local at, stop = string.find(cookie, "${cookieName}=", 1, true)
      local value = at and string.match(cookie, "^[^;]+", stop + 1)
      local token = value and ngx.shared.sessions:get(value)
      if not token then return ngx.exit(401) end
      ngx.req.set_header("Authorization", token)
      ngx.req.clear_header("Cookie")
    }`,
  })
  const name = 'nginx + Lua, session dictionary'
  return { name, port, pids, path: '/bench', agent: AGENT, callers }
}

/** Asks a small Node server about each request, which says yes and gives the token. */
export async function authRequestNginx(
  t: Cleanup,
  backend: number,
  callers: readonly Caller[],
): Promise<Subject> {
  const file = join(import.meta.dirname, 'verifier.ts')
  const verifier = onCore(CORES.subject, process.execPath, [file, FIXED])
  t.after(() => stop(verifier))
  const { port: asked } = await firstLine<{ port: number }>(verifier)
  const { port, pids } = await nginx(t, backend, {
    location: `auth_request /verify; auth_request_set $token $upstream_http_authorization;
      proxy_set_header Authorization $token; proxy_set_header Cookie "";`,
    http: `upstream verifier { server 127.0.0.1:${asked}; keepalive 128; keepalive_requests 1000000000; }`,
    more: `location = /verify { internal; proxy_pass http://verifier;
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; }`,
  })
  const name = 'nginx + auth_request to Node'
  const all = [...pids, pidOf(verifier)]
  return { name, port, pids: all, path: '/bench', agent: AGENT, callers: fixed(callers) }
}

/** What any nginx here has outside its servers; workers of root's would be strangers in our directory. */
export const globals = (directory: string) => {
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};` : ''
  return `daemon off; ${user} worker_processes 1; worker_rlimit_nofile ${CONNECTIONS};
pid ${directory}/nginx.pid; error_log ${directory}/error.log;
events { worker_connections ${CONNECTIONS}; }
`
}

/** What any nginx here has inside `http`: a complete access log, as the product has. */
export const httpGlobals = (directory: string) => {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `access_log ${directory}/access.log combined buffer=64k flush=1s; keepalive_requests 1000000000; tcp_nodelay on;
  ${paths.map((name) => `${name}_temp_path ${join(directory, name)};`).join(' ')}
`
}

async function nginx(
  t: Cleanup,
  backend: number,
  { modules = '', http = '', location, prefixes = [], more = '' }: Parts,
): Promise<{ port: number; pids: number[] }> {
  const port = await freePorts(1)
  const carry = `proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_max_temp_file_size 0; proxy_request_buffering off;`
  return runNginx(
    t,
    port,
    (directory) => `${modules}
${globals(directory)}
http { ${httpGlobals(directory)} ${http}
  upstream backend { server 127.0.0.1:${backend}; keepalive 128; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${port} backlog=4096; client_max_body_size 0;
    ${['/', ...prefixes].map((prefix) => `location ${prefix} { ${carry} ${location} }`).join('\n')}
    ${more}
  }
}
`,
  )
}

/** Starts nginx alone in a directory, which is filled by `configure`. */
export async function runNginx(
  t: Cleanup,
  port: number,
  configure: (directory: string) => string,
): Promise<{ port: number; pids: number[] }> {
  let child: ReturnType<typeof onCore> | undefined
  t.after(() => child && stop(child))
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'logs'))
  const file = join(directory, 'nginx.conf')
  writeFileSync(file, configure(directory))
  const log = join(directory, 'error.log')
  child = onCore(CORES.subject, 'nginx', ['-c', file, '-p', directory, '-e', log])
  await answers(`http://127.0.0.1:${port}/`, () => true)
  return { port, pids: [pidOf(child)] }
}
