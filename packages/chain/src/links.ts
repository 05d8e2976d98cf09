import {
  judgeAllowedAudiences,
  judgeBackendAudience,
  judgeBackendIssuer,
} from './audience-links.ts'
import {
  judgeClient,
  judgeClientGrants,
  judgeClientScopes,
  judgeIdpIssuer,
  judgeRedirectUri,
} from './client-links.ts'
import { judgeCookie } from './cookie-link.ts'
import type { Judge } from './judge.ts'
import { judgeLoginScope, judgeScopeMapping, judgeServiceScopes } from './scope-links.ts'
import { judgeServiceAudience, judgeTargetService } from './service-links.ts'

/** One function a link, in the order in which a request meets them. */
export const LINKS: readonly Judge[] = [
  judgeTargetService,
  judgeServiceAudience,
  judgeIdpIssuer,
  judgeClient,
  judgeRedirectUri,
  judgeCookie,
  judgeClientScopes,
  judgeClientGrants,
  judgeScopeMapping,
  judgeLoginScope,
  judgeServiceScopes,
  judgeAllowedAudiences,
  judgeBackendAudience,
  judgeBackendIssuer,
]
