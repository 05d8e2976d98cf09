import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'

/** No inline script, nothing from elsewhere: an injected script could act with the session. */
const CSP = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The console at `/`, from its build. Nothing under `/api` ever falls back to it. */
export async function consoleRoute(
  app: FastifyInstance,
  directory: string | undefined,
): Promise<void> {
  if (directory === undefined || !existsSync(join(directory, 'index.html'))) return
  await app.register(fastifyStatic, {
    root: directory,
    wildcard: false,
    setHeaders: (reply, path) => {
      reply.header('Content-Security-Policy', CSP)
      reply.header('X-Content-Type-Options', 'nosniff')
      reply.header('Referrer-Policy', 'same-origin')
      // Assets carry a hash in their names; the page itself does not.
      const immutable = path.includes('/assets/')
      reply.header('Cache-Control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
}
