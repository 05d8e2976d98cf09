import type { TokenVerifier } from '@audience-bridge/resource-server/verifier.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { decideByScope, decideOnProject, isAdmin, type ProjectAction } from '../access.ts'
import { type Caller, callerOf } from '../caller.ts'
import { resource } from '../endpoint.ts'
import { parse } from '../problems.ts'
import { type Project, projectInput, projectPatch, projectsQuery } from '../project.ts'
import type { ProjectChange, ProjectStore } from '../project-store.ts'
import type { Reporter } from '../reporter.ts'
import { judge, notFound } from './judge.ts'

export interface ProjectsDeps {
  verifier: TokenVerifier
  projects: ProjectStore
  reporter: Reporter
}

const params = z.object({ id: z.string() })

/** `/api/projects`: an administrator sees all of them, everybody else the own ones. */
export function projectRoutes(app: FastifyInstance, deps: ProjectsDeps): void {
  const { verifier, projects, reporter } = deps

  /** The project, once `action` on it is allowed. */
  const open = (request: FastifyRequest, caller: Caller, action: ProjectAction): Project => {
    const { id } = parse(params, request.params)
    const project = projects.read(id)
    if (project === undefined) throw notFound('project')
    const question = { caller, resource: 'project', resourceId: id } as const
    const mayRead = decideOnProject(caller, 'read', project)
    if (action === 'read' || mayRead.decision === 'Deny') {
      judge(reporter, request, { ...question, action, hide: true, decide: () => mayRead })
      return project
    }
    const decide = () => decideOnProject(caller, action, project)
    judge(reporter, request, { ...question, action, decide })
    return project
  }

  resource(app, verifier, '/api/projects', {
    GET: {
      needs: 'read',
      handle(request, token) {
        const caller = callerOf(token)
        const query = parse(projectsQuery, request.query)
        const question = { caller, resource: 'project', action: 'list' } as const
        judge(reporter, request, { ...question, decide: decideByScope })
        return projects.list(query, isAdmin(caller) ? undefined : caller.subject)
      },
    },
    POST: {
      needs: 'write',
      handle(request, token, reply) {
        const caller = callerOf(token)
        const input = parse(projectInput, request.body)
        const question = { caller, resource: 'project', action: 'create' } as const
        judge(reporter, request, { ...question, decide: decideByScope })
        const project = projects.create(caller.subject, input)
        reply.code(201).header('location', `/api/projects/${project.id}`)
        return project
      },
    },
  })

  const change = (request: FastifyRequest, caller: Caller, changes: ProjectChange): Project => {
    const { id } = open(request, caller, 'update')
    const project = projects.update(id, changes)
    if (project === undefined) throw notFound('project')
    return project
  }

  resource(app, verifier, '/api/projects/:id', {
    GET: {
      needs: 'read',
      handle: (request, token) => open(request, callerOf(token), 'read'),
    },
    PUT: {
      needs: 'write',
      handle: (request, token) =>
        change(request, callerOf(token), parse(projectInput, request.body)),
    },
    PATCH: {
      needs: 'write',
      handle: (request, token) =>
        change(request, callerOf(token), definedOnly(parse(projectPatch, request.body))),
    },
    DELETE: {
      needs: 'write',
      handle(request, token, reply) {
        projects.remove(open(request, callerOf(token), 'delete').id)
        return reply.code(204).send()
      },
    },
  })
}

function definedOnly<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
