import type { BffConfig } from '../config.ts'
import { Group } from './group.ts'
import { readRules } from './rules.ts'

export type GroupsConfig = Pick<BffConfig, 'bases' | 'bridge'>

/**
 * The upstreams of all services. A request keeps to those of its own configuration, so that a token
 * never goes to an address of another one; what is known of an upstream goes from one to the next.
 */
export class Groups {
  readonly #byConfig = new WeakMap<GroupsConfig, ReadonlyMap<string, Group>>()
  #newest: ReadonlyMap<string, Group> = new Map()

  /** By service. */
  of(config: GroupsConfig): ReadonlyMap<string, Group> {
    return this.#byConfig.get(config) ?? this.#adopt(config)
  }

  #adopt(config: GroupsConfig): ReadonlyMap<string, Group> {
    const { services } = config.bridge.routes
    const groups = new Map<string, Group>()
    for (const [name, base] of config.bases) {
      const service = services[name]
      const bases = [base, ...(service?.upstreams ?? []).map((url) => new URL(url))]
      groups.set(name, new Group(name, bases, readRules(service), this.#newest.get(name)))
    }
    this.#byConfig.set(config, groups)
    this.#newest = groups
    return groups
  }
}
