import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cleanup, ROOT } from '@audience-bridge/testkit/config-copy.ts'
import { edgeSettings } from '@audience-bridge/testkit/edge.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { globals, httpGlobals, runNginx } from './nginx.ts'
import { AGENT, PATH, startProduct } from './product.ts'
import type { Subject } from './subject.ts'

export const EDGE_CACHED = 'edge mode: nginx + /auth/verify, cached'
export const EDGE = 'edge mode: nginx + /auth/verify'

/** Ours in edge mode, with the shipped files: nginx carries, a BFF of its own is asked. */
export async function startEdge(t: Cleanup, backend: number, sessions: number): Promise<Subject[]> {
  const ports = await freePorts(2)
  const product = await startProduct(t, {
    backend,
    publicUrl: `http://localhost:${ports}`,
    edits: edgeSettings(),
  })
  const secret = readFileSync(join(product.data, 'secrets/edge.secret'), 'utf8').trim()
  const start = (port: number, cached: boolean) =>
    runNginx(t, port, (directory) => {
      const to = join(directory, 'audience-bridge')
      cpSync(join(ROOT, 'ServiceConfigs/edge/nginx'), to, { recursive: true })
      const secretConf = `map $host $edge_secret { default "${secret}"; }\n`
      writeFileSync(join(to, 'secret.conf'), secretConf, { mode: 0o600 })
      for (const name of readdirSync(to)) {
        let text = readFileSync(join(to, name), 'utf8')
          .replaceAll('127.0.0.1:8080', new URL(product.origin).host)
          .replaceAll('127.0.0.1:8100', `127.0.0.1:${backend}`)
          .replaceAll('127.0.0.1:8088', `127.0.0.1:${port} backlog=4096`)
          .replaceAll('/dev/shm/audience-bridge-edge', `/dev/shm/${directory.split('/').at(-1)}`)
        if (!cached) text = text.replace('proxy_cache bridge_edge;', 'proxy_cache off;')
        writeFileSync(join(to, name), text)
      }
      const http = `${httpGlobals(directory)} include audience-bridge/edge.conf;`
      return `${globals(directory)}\nhttp { ${http} }\n`
    })
  const kept = await start(ports, true)
  const asked = await start(ports + 1, false)
  const callers = await product.signIn(sessions, `http://localhost:${ports}`)
  const subject = (name: string, { port, pids }: typeof kept): Subject => {
    return { name, port, pids: [...pids, product.bffPid], path: PATH, agent: AGENT, callers }
  }
  return [subject(EDGE_CACHED, kept), subject(EDGE, asked)]
}
