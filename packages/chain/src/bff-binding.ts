import { z } from 'zod'

/** `session.binding` in the BFF's settings.yaml. */
export const bindingSchema = z
  .strictObject({
    /** `strict`: another browser or system than at the login is refused; versions do not matter. `off`: it is not looked at. */
    user_agent: z.enum(['strict', 'off']).default('strict'),
    /** Another network than at the login: `off`: is not looked at; `count`: is counted; `reauthorize`: needs a silent sign-in; `strict`: is refused. */
    network: z.enum(['off', 'count', 'reauthorize', 'strict']).default('count'),
    /** How many leading bits of an IPv4 address are its network. */
    ipv4_bits: z.int().min(8).max(32).default(24),
    /** How many leading bits of an IPv6 address are its network. */
    ipv6_bits: z.int().min(16).max(128).default(48),
  })
  .prefault({})
