import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { ProblemError } from '@audience-bridge/contracts/problem.ts'
import { inTransaction } from './database.ts'
import type { Project, ProjectInput, ProjectsQuery } from './project.ts'

/** What of a project can change. */
export type ProjectChange = Partial<Pick<Project, 'name' | 'description' | 'status' | 'members'>>

export interface ProjectStore {
  /** `visibleTo`: only projects that this subject owns or is a member of. */
  list(
    query: ProjectsQuery,
    visibleTo: string | undefined,
  ): { items: Project[]; next_cursor: number | null }
  read(id: string): Project | undefined
  /** @throws ProblemError `CONFLICT` when the owner has a project of that name. */
  create(owner: string, input: ProjectInput): Project
  /** @throws ProblemError `CONFLICT` when the owner has another project of that name. */
  update(id: string, change: ProjectChange): Project | undefined
  remove(id: string): boolean
}

const SQLITE_CONSTRAINT = 19

export function projectStore(db: DatabaseSync): ProjectStore {
  const byId = db.prepare('SELECT * FROM projects WHERE id = ?')
  const membersOf = db.prepare('SELECT subject FROM members WHERE project = ? ORDER BY subject')
  const page = db.prepare(`
    SELECT * FROM projects
    WHERE seq < :before AND (:status IS NULL OR status = :status)
      AND (:subject IS NULL OR owner = :subject
           OR id IN (SELECT project FROM members WHERE subject = :subject))
    ORDER BY seq DESC LIMIT :limit`)
  const insert = db.prepare(`
    INSERT INTO projects (id, name, description, status, owner, created_at, updated_at)
    VALUES (?, ?, ?, 'active', ?, ?, ?)`)
  const change = db.prepare(
    'UPDATE projects SET name = ?, description = ?, status = ?, updated_at = ? WHERE id = ?',
  )
  const remove = db.prepare('DELETE FROM projects WHERE id = ?')
  const addMember = db.prepare('INSERT OR IGNORE INTO members (project, subject) VALUES (?, ?)')
  const clearMembers = db.prepare('DELETE FROM members WHERE project = ?')

  const read = (id: string): Project | undefined => {
    const row = byId.get(id)
    return row && toProject(row)
  }

  const toProject = (row: Record<string, unknown>): Project => ({
    id: String(row.id),
    name: String(row.name),
    description: String(row.description),
    status: row.status === 'archived' ? 'archived' : 'active',
    owner: String(row.owner),
    members: membersOf.all(String(row.id)).map((member) => String(member.subject)),
    created_at: String(row.created_at),
    updated_at: String(row.updated_at),
  })

  const setMembers = (project: string, owner: string, members: readonly string[]) => {
    clearMembers.run(project)
    for (const member of members) if (member !== owner) addMember.run(project, member)
  }

  return {
    read,
    list({ status, limit, cursor }, visibleTo) {
      const rows = page.all({
        before: cursor ?? Number.MAX_SAFE_INTEGER,
        status: status ?? null,
        subject: visibleTo ?? null,
        limit: limit + 1,
      })
      const items = rows.slice(0, limit)
      const last = rows.length > limit ? items.at(-1) : undefined
      return { items: items.map(toProject), next_cursor: last ? Number(last.seq) : null }
    },
    create(owner, input) {
      const id = randomUUID()
      const now = new Date().toISOString()
      return nameIsTaken(input.name, () =>
        inTransaction(db, () => {
          insert.run(id, input.name, input.description, owner, now, now)
          setMembers(id, owner, input.members)
          return mustRead(read, id)
        }),
      )
    },
    update(id, changes) {
      const before = read(id)
      if (before === undefined) return undefined
      const { name, description, status, members } = { ...before, ...changes }
      return nameIsTaken(name, () =>
        inTransaction(db, () => {
          change.run(name, description, status, new Date().toISOString(), id)
          setMembers(id, before.owner, members)
          return mustRead(read, id)
        }),
      )
    },
    remove: (id) => remove.run(id).changes > 0,
  }
}

function mustRead(read: ProjectStore['read'], id: string): Project {
  const project = read(id)
  if (project === undefined) throw new Error(`the project ${id} vanished inside its transaction`)
  return project
}

function nameIsTaken<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const code = cause instanceof Error && 'errcode' in cause ? Number(cause.errcode) & 0xff : 0
    if (code !== SQLITE_CONSTRAINT) throw cause
    throw new ProblemError(
      'CONFLICT',
      `you already have a project named "${name}"; choose another name`,
      {
        cause,
      },
    )
  }
}
