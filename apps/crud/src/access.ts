import type { Caller } from './caller.ts'
import type { Project } from './project.ts'

/**
 * Who may do what, as pure functions: scopes say what a client may ask for, these say what this
 * person may do with this object. Every answer carries its reason, because it is reported.
 */

export interface Decision {
  decision: 'Allow' | 'Deny'
  reason: string
}

export type ProjectAction = 'read' | 'update' | 'delete'

const ADMIN = 'admin'
const OPERATOR = 'operator'

export function isAdmin({ roles }: Caller): boolean {
  return roles.includes(ADMIN)
}

/** Owner and administrators may change a project, its members may read it. */
export function decideOnProject(
  caller: Caller,
  action: ProjectAction,
  project: Pick<Project, 'owner' | 'members'>,
): Decision {
  if (isAdmin(caller)) return allow('the role admin may do anything with projects')
  if (project.owner === caller.subject) return allow('the owner may do anything with it')
  if (!project.members.includes(caller.subject)) return deny('neither owner nor member of it')
  if (action === 'read') return allow('members may read it')
  return deny('members may only read it')
}

/** Runs over everybody's data are for administrators and operators. */
export function decideOnExport(caller: Caller): Decision {
  if (isAdmin(caller) || caller.roles.includes(OPERATOR)) {
    return allow('the roles admin and operator may export')
  }
  return deny('needs the role admin or operator')
}

/** Who started a run may look at it, and so may administrators. */
export function decideOnRun(caller: Caller, run: { subject: string }): Decision {
  if (isAdmin(caller)) return allow('the role admin may read all runs')
  if (run.subject === caller.subject) return allow('it is the caller’s own run')
  return deny('the run is somebody else’s')
}

/** What the scope alone decides, such as seeing the list of one's own projects. */
export function decideByScope(): Decision {
  return allow('the scope suffices')
}

const allow = (reason: string): Decision => ({ decision: 'Allow', reason })
const deny = (reason: string): Decision => ({ decision: 'Deny', reason })
