import { z } from 'zod'

/** What a project is, on the wire and in the store. */

const name = z.string().trim().min(1).max(120)
const description = z.string().max(2_000)
const member = z.string().min(1).max(256)
const members = z
  .array(member)
  .max(200)
  .transform((list) => [...new Set(list)])
const status = z.enum(['active', 'archived'])

/** `POST`: the caller becomes the owner. `PUT` takes the same and replaces. */
export const projectInput = z.strictObject({
  name,
  description: description.default(''),
  members: members.default([]),
})

/** `PATCH`: what is absent stays. */
export const projectPatch = z
  .strictObject({
    name: name.optional(),
    description: description.optional(),
    members: members.optional(),
    status: status.optional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, 'names nothing to change')

export const projectsQuery = z.strictObject({
  status: status.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** `next_cursor` of the page before. */
  cursor: z.coerce.number().int().min(1).optional(),
})

export const memberInput = member

export type ProjectInput = z.output<typeof projectInput>
export type ProjectsQuery = z.output<typeof projectsQuery>

export interface Project {
  id: string
  name: string
  description: string
  status: 'active' | 'archived'
  /** The owner's `sub`. */
  owner: string
  /** The members' `sub`s; the owner is none of them. */
  members: string[]
  created_at: string
  updated_at: string
}
