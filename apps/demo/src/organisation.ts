import { randomOf } from './random.ts'
import { DEMO_USER_ROLE, ROLES, type Role, type Shift } from './roles.ts'

/** A synthetic organisation of some 300 people; the same seed makes the same one. */
export interface Organisation {
  seed: number
  people: readonly Person[]
}

export interface Person {
  /** Place in the organisation; part of the events' ids. */
  index: number
  /** The `sub`: `demo-0001`, or a demo user's own. */
  sub: string
  /** Says in itself that nobody is meant. */
  name: string
  email: string
  role: Role
  /** What the token's `roles` claim would say. */
  roles: string[]
  /** The role's hours, moved by how this person is. */
  shift: Shift
  /** Multiplies the role's accesses a day. */
  diligence: number
  workstation: string
  /** Where the person is in the rotation, and when on leave: days of a cycle. */
  phase: number
  leaveDays: number
}

/** A user who can sign in at the demo's IdP. */
export interface DemoUser {
  username: string
  password: string
  roles: string[]
  sub: string
  name: string
}

const FIRST_NAMES = [
  'Ada',
  'Bruno',
  'Chidi',
  'Dalia',
  'Emil',
  'Farah',
  'Goran',
  'Hana',
  'Iker',
  'Jana',
  'Kofi',
  'Lena',
  'Mira',
  'Nils',
  'Olga',
  'Pablo',
  'Quinn',
  'Rosa',
  'Sven',
  'Tala',
] as const

export function createOrganisation(seed: number, users: readonly DemoUser[]): Organisation {
  const people: Person[] = []
  for (const role of ROLES) {
    for (let i = 0; i < role.people; i++) people.push(person(seed, people.length, role))
  }
  for (const user of users) {
    const base = person(seed, people.length, DEMO_USER_ROLE)
    people.push({ ...base, sub: user.sub, name: user.name, roles: user.roles, leaveDays: 0 })
  }
  return { seed, people }
}

function person(seed: number, index: number, role: Role): Person {
  const random = randomOf(seed, 'person', index)
  const number = String(index + 1).padStart(4, '0')
  const moved = random.between(-role.shift.personal, role.shift.personal)
  return {
    index,
    sub: `demo-${number}`,
    name: `Synthetic ${random.pick(FIRST_NAMES)} ${number}`,
    email: `demo-${number}@example.com`,
    role,
    roles: [role.name],
    shift: { ...role.shift, start: role.shift.start + moved, end: role.shift.end + moved },
    diligence: 0.6 + random.unit() * 0.8,
    workstation: `ws-${number}`,
    phase: random.between(0, 89),
    leaveDays: random.between(4, 11),
  }
}
