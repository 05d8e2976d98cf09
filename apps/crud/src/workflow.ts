import { z } from 'zod'
import { type Decision, decideOnExport, decideOnProject } from './access.ts'
import type { Caller } from './caller.ts'
import { memberInput, type Project } from './project.ts'
import type { ProjectStore } from './project-store.ts'
import type { RunStore } from './run-store.ts'

/** The workflows of this service: each a list of small steps, each step all or nothing. */

export interface StepContext {
  runId: string
  input: WorkflowInput
  projects: ProjectStore
  runs: RunStore
  /** What earlier steps of this run found. */
  found: Map<string, string>
}

export interface WorkflowInput {
  project_id?: string | undefined
  member?: string | undefined
}

export interface Workflow {
  name: string
  description: string
  input: z.ZodType<WorkflowInput>
  /** `project` is undefined when the input names none, or one that does not exist. */
  decide(caller: Caller, project: Project | undefined): Decision
  steps: { name: string; run(context: StepContext): void }[]
}

/** A step that cannot be done for a reason that the caller should read. */
export class StepFailure extends Error {}

const projectId = z.uuid()

const changeProject = (caller: Caller, project: Project | undefined): Decision =>
  decideOnProject(caller, 'update', project ?? { owner: '', members: [] })

const activeProject = ({ projects, input }: StepContext): Project => {
  const project = projects.read(input.project_id ?? '')
  if (project === undefined) throw new StepFailure('the project does not exist')
  if (project.status !== 'active') throw new StepFailure('the project is archived')
  return project
}

const onboardMember: Workflow = {
  name: 'onboard-member',
  description: 'Adds a member to a project and writes the welcome note',
  input: z.strictObject({ project_id: projectId, member: memberInput }),
  decide: changeProject,
  steps: [
    { name: 'check-project', run: (context) => void activeProject(context) },
    {
      name: 'check-member',
      run(context) {
        const { owner, members } = activeProject(context)
        const member = context.input.member ?? ''
        if (member === owner || members.includes(member)) {
          throw new StepFailure('is a member of the project already')
        }
      },
    },
    {
      name: 'add-member',
      run(context) {
        const { id, members } = activeProject(context)
        context.projects.update(id, { members: [...members, context.input.member ?? ''] })
      },
    },
    {
      name: 'write-welcome',
      run(context) {
        const { name } = activeProject(context)
        context.runs.keep(context.runId, 'welcome', `Welcome to ${name}, ${context.input.member}.`)
      },
    },
  ],
}

const archiveProject: Workflow = {
  name: 'archive-project',
  description: 'Keeps a snapshot of a project and closes it',
  input: z.strictObject({ project_id: projectId }),
  decide: changeProject,
  steps: [
    { name: 'check-project', run: (context) => void activeProject(context) },
    {
      name: 'take-snapshot',
      run(context) {
        context.runs.keep(context.runId, 'snapshot', JSON.stringify(activeProject(context)))
      },
    },
    {
      name: 'mark-archived',
      run(context) {
        context.projects.update(activeProject(context).id, { status: 'archived' })
      },
    },
  ],
}

const nightlyExport: Workflow = {
  name: 'nightly-export',
  description: 'Writes all projects as CSV',
  input: z.strictObject({}),
  decide: decideOnExport,
  steps: [
    {
      name: 'collect',
      run({ projects, found }) {
        const rows: string[] = []
        let cursor: number | undefined
        do {
          const page = projects.list({ limit: 200, cursor }, undefined)
          for (const { id, name, status, owner } of page.items) {
            rows.push([id, name, status, owner].map(csvField).join(','))
          }
          cursor = page.next_cursor ?? undefined
        } while (cursor !== undefined)
        if (rows.length === 0) throw new StepFailure('there is nothing to export')
        found.set('rows', rows.join('\n'))
      },
    },
    {
      name: 'render',
      run: ({ found }) => void found.set('csv', `id,name,status,owner\n${found.get('rows')}\n`),
    },
    {
      name: 'store',
      run: ({ runs, runId, found }) => void runs.keep(runId, 'export', found.get('csv') ?? ''),
    },
  ],
}

export const WORKFLOWS: ReadonlyMap<string, Workflow> = new Map(
  [onboardMember, archiveProject, nightlyExport].map((workflow) => [workflow.name, workflow]),
)

/** A spreadsheet would run a field that starts like a formula, and names are anybody's text. */
function csvField(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return `"${harmless.replaceAll('"', '""')}"`
}
