import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { RouteDeps } from './deps.ts'

const rotation = z.strictObject({
  ring: z.enum(['client', 'assertion', 'dpop']).optional(),
  compromised: z.boolean().default(false),
})

/**
 * GET /admin/keys — the BFF's signing keys: ring, thumbprint, age and state.
 * POST /admin/keys/rotate — makes the next key now; with `compromised` it replaces the others at once.
 */
export function keyRoutes(app: FastifyInstance, deps: RouteDeps): void {
  app.get('/admin/keys', async () => {
    const reports = await Promise.all(deps.keys.all.map((ring) => ring.report()))
    return { keys: reports.flat() }
  })

  app.post('/admin/keys/rotate', async (request) => {
    const parsed = rotation.safeParse(request.body ?? {})
    if (!parsed.success) {
      throw new ProblemError(
        'BAD_REQUEST',
        'ring "client", "assertion" or "dpop" (default: all), and compromised true or false',
      )
    }
    const { ring, compromised } = parsed.data
    const rings = ring === undefined ? deps.keys.all : [deps.keys.of(ring)]
    const reports = await Promise.all(rings.map((each) => each.rotate({ compromised })))
    deps.log.warn(
      { correlation_id: request.id, rings: rings.map(({ name }) => name), compromised },
      'signing keys rotated by an administrator',
    )
    return { keys: reports.flat() }
  })
}
