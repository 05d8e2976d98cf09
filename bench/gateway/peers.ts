import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cleanup, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { CORES, firstLine, has, onCore, stop } from './process.ts'
import type { Product } from './product.ts'

/** Somebody who does a part of the same work. */
export interface Peer {
  name: string
  port: number
  pid: number
  /** The end of the token that each caller's request must carry; undefined: that of its session. */
  token: string | undefined
}

/** A token like ours in size, for peers that know but one. */
const FIXED = `${'f'.repeat(876)}fixed-token-of-the-bench`
const FIXED_END = FIXED.slice(-24)
const LUA = '/usr/lib/nginx/modules/ngx_http_lua_module.so'

/** Starts the peers that this machine has; tells why the others are missing. */
export async function startPeers(
  t: Cleanup,
  backend: number,
  product: Product,
): Promise<{ peers: Peer[]; missing: Record<string, string> }> {
  const peers: Peer[] = []
  const missing: Record<string, string> = {}
  if (has('nginx')) {
    peers.push(await nginx(t, 'nginx proxy_pass, fixed bearer', FIXED_END, backend, plain()))
    if (existsSync(LUA)) {
      peers.push(
        await nginx(t, 'nginx + Lua, session dictionary', undefined, backend, lua(product)),
      )
    } else missing['nginx + Lua'] = 'apt-get install libnginx-mod-http-lua'
    const verifier = onCore(CORES.subject, process.execPath, [
      join(import.meta.dirname, 'verifier.ts'),
      FIXED,
    ])
    t.after(() => stop(verifier))
    const { port } = await firstLine<{ port: number }>(verifier)
    peers.push(
      await nginx(t, 'nginx + auth_request to Node', FIXED_END, backend, authRequest(port)),
    )
  } else missing.nginx = 'apt-get install nginx libnginx-mod-http-lua'
  missing['Apache + mod_auth_openidc'] = 'its sessions need a login in a browser: not built'
  for (const name of ['@fastify/http-proxy', 'express']) {
    missing[name] = 'not installed, and not worth a dependency of ours'
  }
  return { peers, missing }
}

interface NginxParts {
  modules?: string
  http?: string
  location: string
  more?: string
}

const plain = (): NginxParts => ({
  location: `proxy_set_header Authorization "Bearer ${FIXED}"; proxy_set_header Cookie "";`,
})

const authRequest = (verifier: number): NginxParts => ({
  location: `auth_request /verify; auth_request_set $token $upstream_http_authorization;
    proxy_set_header Authorization $token; proxy_set_header Cookie "";`,
  more: `location = /verify { internal; proxy_pass http://127.0.0.1:${verifier};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass_request_body off;
    proxy_set_header Content-Length ""; }`,
})

/** As lua-resty-openidc in its best case: the session is in shared memory and needs no cryptography. */
function lua({ sessions }: Product): NginxParts {
  const set = sessions
    .map(({ cookie, token }) => {
      const value = /=([^;]+)/.exec(cookie)?.[1]
      return `d:set("${value}", "Bearer ${'t'.repeat(876)}${token}")`
    })
    .join('\n')
  const name = /^([^=]+)=/.exec(sessions[0]?.cookie ?? '')?.[1]
  return {
    modules: `load_module /usr/lib/nginx/modules/ndk_http_module.so; load_module ${LUA};`,
    http: `lua_shared_dict sessions 16m; init_by_lua_block { local d = ngx.shared.sessions\n${set} }`,
    location: `access_by_lua_block {
      local cookie = ngx.var.http_cookie or ""
      local at, stop = string.find(cookie, "${name}=", 1, true)
      local value = at and string.match(cookie, "^[^;]+", stop + 1)
      local token = value and ngx.shared.sessions:get(value)
      if not token then return ngx.exit(401) end
      ngx.req.set_header("Authorization", token)
      ngx.req.clear_header("Cookie")
    }`,
  }
}

async function nginx(
  t: Cleanup,
  name: string,
  token: string | undefined,
  backend: number,
  { modules = '', http = '', location, more = '' }: NginxParts,
): Promise<Peer> {
  const directory = temporaryDirectory(t)
  const port = await freePorts(1)
  for (const folder of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'])
    mkdirSync(join(directory, folder))
  const file = join(directory, 'nginx.conf')
  writeFileSync(
    file,
    `${modules}
daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi; uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
  ${http}
  upstream backend { server 127.0.0.1:${backend}; keepalive 128; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${port};
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_max_temp_file_size 0; proxy_set_header Connection "";
      ${location} }
    ${more}
  }
}
`,
  )
  const child = onCore(CORES.subject, 'nginx', ['-c', file, '-p', directory])
  t.after(() => stop(child))
  await until(name, () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    ),
  )
  if (child.pid === undefined) throw new Error(`${name} has no process`)
  return { name, port, pid: child.pid, token }
}
