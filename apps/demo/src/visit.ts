import type { BrowserSession } from './browser-session.ts'
import type { Random } from './random.ts'

/** One thing that a signed-in user does. */
export interface Visit {
  weight: number
  act(visitor: Visitor, random: Random): Promise<number>
}

export interface Visitor {
  username: string
  session: BrowserSession
  /** The other users' `sub`s: who may become a member and then read, but not change. */
  colleagues: readonly string[]
  /** Projects of this user, newest last. */
  own: string[]
  /** Projects that anybody made, so that others' are tried too. */
  all: Set<string>
}

const MAX_OWN = 8
const MAX_KNOWN = 60
const ANALYTICS = '/api/v1/analytics'
const NAMES = ['Harbour', 'Lantern', 'Orchard', 'Quarry', 'Meadow', 'Signal', 'Viaduct'] as const

const call = async (visitor: Visitor, method: string, path: string, body?: unknown) => {
  const { status } = await visitor.session.api(method, path, body)
  return status
}

/** A project of somebody, this user's own more often than not. */
function someProject(visitor: Visitor, random: Random): string | undefined {
  const from = random.chance(0.6) ? visitor.own : [...visitor.all]
  return from[Math.floor(random.unit() * from.length)]
}

async function createProject(visitor: Visitor, random: Random): Promise<number> {
  const name = `Synthetic ${random.pick(NAMES)} ${Math.floor(random.unit() * 1e9).toString(36)}`
  const { status, body } = await visitor.session.api('POST', '/api/crud/projects', {
    name,
    description: 'Made by the demo’s traffic',
    members: random.chance(0.6) ? visitor.colleagues : [],
  })
  if (status === 201 && typeof body === 'object' && body !== null && 'id' in body) {
    visitor.own.push(String(body.id))
    visitor.all.add(String(body.id))
    const [oldest] = visitor.all
    if (visitor.all.size > MAX_KNOWN && oldest !== undefined) visitor.all.delete(oldest)
  }
  return status
}

async function deleteOldest(visitor: Visitor): Promise<number> {
  const id = visitor.own.shift()
  if (id === undefined) return listProjects(visitor)
  visitor.all.delete(id)
  return call(visitor, 'DELETE', `/api/crud/projects/${id}`)
}

const listProjects = (visitor: Visitor) => call(visitor, 'GET', '/api/crud/projects?limit=20')

async function onProject(
  visitor: Visitor,
  random: Random,
  act: (id: string) => Promise<number>,
): Promise<number> {
  const id = someProject(visitor, random)
  return id === undefined ? createProject(visitor, random) : act(id)
}

/** What users do, and how often. Some of it is denied: others' projects, exports without the role. */
export const VISITS: readonly [Visit, ...Visit[]] = [
  { weight: 18, act: listProjects },
  {
    weight: 16,
    act: (visitor, random) =>
      onProject(visitor, random, (id) => call(visitor, 'GET', `/api/crud/projects/${id}`)),
  },
  {
    weight: 8,
    act: (visitor, random) =>
      visitor.own.length < MAX_OWN ? createProject(visitor, random) : deleteOldest(visitor),
  },
  {
    weight: 8,
    act: (visitor, random) =>
      onProject(visitor, random, (id) =>
        call(visitor, 'PATCH', `/api/crud/projects/${id}`, {
          description: `Looked at by ${visitor.username}`,
        }),
      ),
  },
  {
    weight: 7,
    act: (visitor, random) =>
      onProject(visitor, random, (project_id) =>
        call(visitor, 'POST', '/api/crud/workflows/onboard-member/runs', {
          project_id,
          member: `demo-${String(random.between(1, 12)).padStart(4, '0')}`,
        }),
      ),
  },
  {
    weight: 3,
    act: (visitor, random) =>
      onProject(visitor, random, (project_id) =>
        call(visitor, 'POST', '/api/crud/workflows/archive-project/runs', { project_id }),
      ),
  },
  {
    weight: 3,
    act: (visitor) => call(visitor, 'POST', '/api/crud/workflows/nightly-export/runs', {}),
  },
  { weight: 4, act: (visitor) => call(visitor, 'GET', '/api/crud/workflows') },
  { weight: 3, act: (visitor) => call(visitor, 'GET', '/api/crud/whoami') },
  { weight: 4, act: (visitor) => call(visitor, 'GET', `${ANALYTICS}/workflows`) },
  {
    weight: 4,
    act: (visitor) => call(visitor, 'GET', `${ANALYTICS}/authorization-metrics?service=crud`),
  },
  { weight: 2, act: (visitor) => call(visitor, 'GET', `${ANALYTICS}/anomalous-access-patterns`) },
]
