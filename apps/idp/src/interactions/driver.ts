import type { IncomingMessage, ServerResponse } from 'node:http'

/** An authorization request that waits for its user. */
export interface PendingInteraction {
  uid: string
  prompt: string
  clientId: string
  loginHint: string
  /** For a consent: what is missing. */
  missing: { scopes: string[]; audiences: string[] }
}

/** The provider's side of an interaction, bound to the browser by its cookies. */
export interface InteractionDriver {
  /** Undefined when the browser has no such interaction (it expired, or the cookie is gone). */
  pending(req: IncomingMessage, res: ServerResponse): Promise<PendingInteraction | undefined>
  /** Each of these answers the response with the way back to the authorization endpoint. */
  signIn(req: IncomingMessage, res: ServerResponse, sub: string): Promise<void>
  consent(req: IncomingMessage, res: ServerResponse): Promise<void>
  abort(req: IncomingMessage, res: ServerResponse): Promise<void>
}

/** An interaction as the library keeps it. */
export interface StoredInteraction {
  uid: string
  prompt: { name: string; details: Record<string, unknown> }
  params: Record<string, unknown>
  session?: { accountId: string } | undefined
  grantId?: string | undefined
}

export interface StoredGrant {
  addOIDCScope(scopes: string[]): unknown
  addResourceScope(resource: string, scopes: string[]): unknown
  save(): Promise<string>
}

/** What the driver needs of the library. */
export interface InteractionLibrary {
  /** Undefined for a browser without a living interaction. */
  details(req: IncomingMessage, res: ServerResponse): Promise<StoredInteraction | undefined>
  finish(
    req: IncomingMessage,
    res: ServerResponse,
    result: Record<string, unknown>,
    options: { mergeWithLastSubmission: boolean },
  ): Promise<void>
  /** The grant with this id, or a new one when there is none. */
  grant(
    id: string | undefined,
    owner: { accountId: string; clientId: string },
  ): Promise<StoredGrant>
  /** The name that stands for "no resource", which no user needs to see. */
  loginResource: string
}

export function interactionDriver(library: InteractionLibrary): InteractionDriver {
  return {
    async pending(req, res) {
      const details = await library.details(req, res)
      if (details === undefined) return undefined
      const { uid, prompt, params } = details
      const byResource = missingByResource(prompt.details)
      const scopes = [texts(prompt.details.missingOIDCScope), ...byResource.map(([, held]) => held)]
      const audiences = byResource.map(([resource]) => resource)
      return {
        uid,
        prompt: prompt.name,
        clientId: String(params.client_id),
        loginHint: typeof params.login_hint === 'string' ? params.login_hint : '',
        missing: {
          scopes: [...new Set(scopes.flat())],
          audiences: audiences.filter((resource) => resource !== library.loginResource),
        },
      }
    },
    signIn: (req, res, sub) =>
      library.finish(
        req,
        res,
        { login: { accountId: sub, amr: ['pwd'] } },
        { mergeWithLastSubmission: false },
      ),
    async consent(req, res) {
      const details = await library.details(req, res)
      if (details === undefined) throw new Error('the interaction ended while it was answered')
      const { prompt, params, session, grantId } = details
      const grant = await library.grant(grantId, {
        accountId: session?.accountId ?? '',
        clientId: String(params.client_id),
      })
      const scopes = texts(prompt.details.missingOIDCScope)
      if (scopes.length > 0) grant.addOIDCScope(scopes)
      for (const [resource, held] of missingByResource(prompt.details)) {
        grant.addResourceScope(resource, held)
      }
      const result = { consent: { grantId: await grant.save() } }
      await library.finish(req, res, result, { mergeWithLastSubmission: true })
    },
    abort: (req, res) =>
      library.finish(
        req,
        res,
        { error: 'access_denied', error_description: 'the user declined' },
        { mergeWithLastSubmission: false },
      ),
  }
}

function missingByResource(details: Record<string, unknown>): [string, string[]][] {
  const { missingResourceScopes: missing } = details
  if (typeof missing !== 'object' || missing === null) return []
  return Object.entries(missing).map(([resource, scopes]) => [resource, texts(scopes)])
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
