import { METHODS } from '@audience-bridge/chain/bff-routes.ts'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import { correlationIdFrom } from '@audience-bridge/kit/correlation.ts'
import Fastify, { type FastifyInstance, type FastifyServerFactory } from 'fastify'
import { answerProblem, moreOf } from '../problems.ts'
import { corsHeaders } from '../proxy/cors.ts'
import { StoreUnavailable } from '../session/store-guard.ts'
import { adminRoutes } from './admin.ts'
import { backchannelLogoutRoute } from './backchannel-logout.ts'
import { callbackRoute } from './callback.ts'
import { refuseMalformed } from './client-error.ts'
import { consoleRoute } from './console.ts'
import type { RouteDeps } from './deps.ts'
import { eventsRoute } from './events.ts'
import { frontchannelLogoutRoute } from './frontchannel-logout.ts'
import { healthRoutes } from './health.ts'
import { loginRoute } from './login.ts'
import { logoutRoute } from './logout.ts'
import { escapeHtml, sendPage, wantsHtml } from './page.ts'
import { sessionRoute } from './session.ts'
import { sessionsRoutes } from './sessions.ts'

/** Further names of our own endpoints, which the documented system has. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['/auth/health', '/health'],
  ['/api/v1/health', '/health'],
  ['/api/v1/health/live', '/health'],
  ['/api/v1/health/ready', '/health/ready'],
])

/** RFC 6797 §6.1: a year. */
const HSTS = 'max-age=31536000'

/** The BFF's own endpoints; everything else is the proxy's. */
export async function buildRoutes(
  deps: RouteDeps,
  consoleDirectory: string | undefined,
  serverFactory: FastifyServerFactory,
): Promise<FastifyInstance> {
  const app = Fastify({
    serverFactory,
    genReqId: (req) => correlationIdFrom(req.headers['x-correlation-id']),
    rewriteUrl: ({ url = '' }) => ALIASES.get(url.split('?', 1)[0] ?? '') ?? url,
    bodyLimit: 64 * 1024,
    routerOptions: { maxParamLength: 128 },
    clientErrorHandler: refuseMalformed,
  })
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, new URLSearchParams(String(body))),
  )
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Many a client names the type for every request, also for one without a body.
    if (body === '') done(null, undefined)
    else parseJson(request, String(body), done)
  })
  app.addHook('onSend', async (request, reply) => {
    reply.header('X-Correlation-ID', request.id)
    // Said by whoever ends TLS. The attack: the next visit is by http, and somebody answers it.
    if ('encrypted' in request.raw.socket) reply.header('Strict-Transport-Security', HSTS)
    const { corsOrigins } = deps.frontendOf(request.raw)
    const { Vary: vary, ...cors } = corsHeaders(request.headers.origin, corsOrigins)
    reply.headers(cors)
    const before = reply.getHeader('vary')
    if (vary !== undefined) reply.header('vary', before === undefined ? vary : `${before}, ${vary}`)
  })
  app.setErrorHandler((error, request, reply) => {
    const failure = problemFrom(error)
    const exchange = deps.exchangeOf(request.raw)
    if (exchange !== undefined) {
      exchange.problem = failure.code
      if (error instanceof StoreUnavailable) exchange.storeFault = error.message
    }
    if (failure.code === 'INTERNAL') {
      deps.log.error({ err: error, correlation_id: request.id }, 'request failed')
    }
    const { status, headers, body } = answerProblem(
      failure.code,
      failure.message,
      request.id,
      moreOf(failure),
    )
    if (request.method === 'GET' && wantsHtml(request.headers.accept)) {
      const retry = headers['Retry-After']
      if (retry !== undefined) reply.header('Retry-After', retry)
      return sendPage(
        reply,
        status,
        failure.code,
        `<p>${escapeHtml(failure.message)}</p><p><a href="/">Go to the start page</a></p><p><small>correlation id ${escapeHtml(request.id)}</small></p>`,
      )
    }
    // As bytes: Fastify would add a charset, which this media type does not have.
    return reply.code(status).headers(headers).send(Buffer.from(body))
  })
  app.setNotFoundHandler((request) => {
    const [url = ''] = request.url.split('?', 1)
    const allow = METHODS.filter((method) => app.hasRoute({ url, method }))
    if (allow.length === 0) throw new ProblemError('NOT_FOUND', 'nothing is here')
    throw new ProblemError('METHOD_NOT_ALLOWED', `this path takes ${allow.join(', ')}`, {
      headers: { Allow: allow.join(', ') },
    })
  })
  loginRoute(app, deps)
  callbackRoute(app, deps)
  sessionRoute(app, deps)
  sessionsRoutes(app, deps)
  eventsRoute(app, deps)
  logoutRoute(app, deps)
  backchannelLogoutRoute(app, deps)
  frontchannelLogoutRoute(app, deps)
  healthRoutes(app, deps)
  await adminRoutes(app, deps)
  await consoleRoute(app, consoleDirectory)
  return app
}

/** Our own failures as they are, Fastify's by status, anything else opaque. */
function problemFrom(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  if (error instanceof StoreUnavailable) {
    return new ProblemError('STORE_UNAVAILABLE', 'the session store did not answer; try again', {
      headers: { 'Retry-After': '2' },
      cause: error,
    })
  }
  const status =
    error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined
  switch (status) {
    case 400:
      return new ProblemError('BAD_REQUEST', 'the request could not be read')
    case 413:
      return new ProblemError('BODY_TOO_LARGE', 'at most 64 KiB are taken here')
    case 415:
      return new ProblemError(
        'UNSUPPORTED_MEDIA_TYPE',
        'send application/json or application/x-www-form-urlencoded',
      )
    default:
      return new ProblemError('INTERNAL', 'something went wrong here', { cause: error })
  }
}
