import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import type { TokenVerifier } from '@audience-bridge/resource-server/verifier.ts'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { decideOnRun } from '../access.ts'
import { callerOf } from '../caller.ts'
import { resource } from '../endpoint.ts'
import { parse } from '../problems.ts'
import type { ProjectStore } from '../project-store.ts'
import type { Reporter } from '../reporter.ts'
import type { RunStore } from '../run-store.ts'
import { WORKFLOWS } from '../workflow.ts'
import type { WorkflowRunner } from '../workflow-runner.ts'
import { judge, notFound } from './judge.ts'

export interface WorkflowsDeps {
  verifier: TokenVerifier
  projects: ProjectStore
  runs: RunStore
  runner: WorkflowRunner
  reporter: Reporter
}

/** `/api/workflows`: what can be run, running it, and how a run went. */
export function workflowRoutes(app: FastifyInstance, deps: WorkflowsDeps): void {
  const { verifier, projects, runs, runner, reporter } = deps

  resource(app, verifier, '/api/workflows', {
    GET: {
      needs: 'read',
      handle: () => ({
        items: [...WORKFLOWS.values()].map(({ name, description, input, steps }) => ({
          name,
          description,
          input: z.toJSONSchema(input),
          steps: steps.map((step) => step.name),
        })),
      }),
    },
  })

  resource(app, verifier, '/api/workflows/:name/runs', {
    POST: {
      needs: 'write',
      handle(request, token, reply) {
        const caller = callerOf(token)
        const { name } = parse(z.object({ name: z.string() }), request.params)
        const workflow = WORKFLOWS.get(name)
        if (workflow === undefined) {
          throw new ProblemError(
            'NOT_FOUND',
            `there is no workflow "${name}"; there are ${[...WORKFLOWS.keys()].join(', ')}`,
          )
        }
        const input = parse(workflow.input, request.body ?? {})
        const project = input.project_id ? projects.read(input.project_id) : undefined
        judge(reporter, request, {
          caller,
          resource: 'workflow',
          resourceId: name,
          action: 'run',
          decide: () => workflow.decide(caller, project),
        })
        const id = runner.start(workflow, input, caller)
        reply.code(202).header('location', `/api/workflows/runs/${id}`)
        return { id, workflow: name, status: 'running' }
      },
    },
  })

  resource(app, verifier, '/api/workflows/runs/:id', {
    GET: {
      needs: 'read',
      handle(request, token) {
        const { id } = parse(z.object({ id: z.string() }), request.params)
        const run = runs.read(id)
        if (run === undefined) throw notFound('workflow_run')
        judge(reporter, request, {
          caller: callerOf(token),
          resource: 'workflow_run',
          resourceId: id,
          action: 'read',
          hide: true,
          decide: () => decideOnRun(callerOf(token), run),
        })
        return run
      },
    },
  })
}
