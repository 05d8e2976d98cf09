import type { Explanation } from '@audience-bridge/chain/explanation.ts'
import type { LinkResult } from '@audience-bridge/chain/link.ts'
import {
  type AdminSession,
  adminSessions,
  endedSessions,
} from '@audience-bridge/contracts/session.ts'
import { CouldNotRun } from '../outcome.ts'
import type { CliVisitor } from './visitor.ts'

export type Explained = Explanation & { text: string; config_changed: boolean }

export interface Backend {
  service: string
  base_url: string
  audience?: string
  resource?: string
  link?: LinkResult
}

/** More than a person reads; whoever wants one names it. */
const SHOWN_SESSIONS = 1_000

/** The administrators' API of a running BFF, opened by the token or by an administrator's session. */
export class AdminApi {
  readonly #visitor: CliVisitor
  readonly #token: string | undefined

  constructor(visitor: CliVisitor, token: string | undefined) {
    this.#visitor = visitor
    this.#token = token
  }

  /** @returns undefined when nothing is kept of that request. */
  async explain(id: string): Promise<Explained | undefined> {
    const response = await this.#ask(`/admin/explain/${encodeURIComponent(id)}`)
    if (response.status === 404) return undefined
    return (await this.#read(response)) as Explained
  }

  /** In Prometheus' text format. */
  async metrics(): Promise<string> {
    const response = await this.#ask('/metrics')
    if (response.ok) return response.text()
    return String(await this.#read(response))
  }

  async backends(): Promise<Backend[]> {
    const body = (await this.#read(await this.#ask('/admin/backends'))) as { backends: Backend[] }
    return body.backends
  }

  async config(): Promise<AdminConfig> {
    return (await this.#read(await this.#ask('/admin/config'))) as AdminConfig
  }

  async routes(): Promise<AdminRoute[]> {
    const body = (await this.#read(await this.#ask('/admin/routes'))) as { routes: AdminRoute[] }
    return body.routes
  }

  /** The first `SHOWN_SESSIONS` of them, and how many there are. */
  async sessions(
    filter: Omit<SessionFilter, 'id'>,
  ): Promise<{ sessions: AdminSession[]; count: number }> {
    const query = new URLSearchParams({ ...filter })
    const sessions: AdminSession[] = []
    for (;;) {
      const answer = await this.#read(await this.#ask(`/admin/sessions?${query}`))
      const { sessions: page, count, next } = adminSessions.parse(answer)
      sessions.push(...page)
      if (next === undefined || sessions.length >= SHOWN_SESSIONS) return { sessions, count }
      query.set('after', next)
    }
  }

  /** @returns how many were ended; 0 when there was none. */
  async endSessions({ id, ...filter }: SessionFilter): Promise<number> {
    const path =
      id === undefined
        ? `/admin/sessions?${new URLSearchParams({ ...filter })}`
        : `/admin/sessions/${encodeURIComponent(id)}`
    const response = await this.#ask(path, 'DELETE')
    if (response.status === 404) return 0
    return endedSessions.parse(await this.#read(response)).ended
  }

  #ask(path: string, method = 'GET'): Promise<Response> {
    return this.#visitor.fetch(path, {
      method,
      headers: this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` },
    })
  }

  async #read(response: Response): Promise<unknown> {
    if (response.ok) return response.json()
    const { code, detail } = (await response.json().catch(() => ({}))) as Record<string, unknown>
    throw new CouldNotRun(
      `the administrators' API answers ${response.status} ${code ?? ''}: ${detail ?? ''}; give --token-file with the token of admin.token, or sign in as an administrator`,
    )
  }
}

/** Which sessions: all where nothing is said. */
export interface SessionFilter {
  id?: string
  user?: string
  sid?: string
}

/** The state of the BFF's live configuration. */
export interface AdminConfig {
  version: string
  /** The files on disk are malformed: what is in force is older than they are. */
  refused: boolean
  faults: string[]
}

/** A route as the BFF serves it. */
export interface AdminRoute {
  id: string
  path: string
  service: string
  auth: 'session' | 'bearer' | 'none'
  methods: string[]
  /** What may be asked to see it work. */
  probe?: string
}
