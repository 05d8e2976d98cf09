import type { IdpEntry } from './bff-idps.ts'
import type { BffSettings } from './bff-settings.ts'
import type { ConfigDocument, KeyPath } from './document.ts'
import type { Fault } from './fault.ts'
import {
  cookieReaches,
  type FrontendSettings,
  frontendsOf,
  sessionCookieName,
} from './frontends.ts'
import { listOf } from './judge.ts'
import { isLocalForBrowsers } from './local-hosts.ts'
import { nearest } from './nearest.ts'
import type { Edit } from './patch.ts'

type Tell = (
  code: string,
  path: KeyPath,
  told: { found: string; expected: string; mend: string },
  edit?: Edit,
) => void

/** Faults of each frontend, and between them. */
export function frontendFaults(
  settings: BffSettings,
  document: ConfigDocument<BffSettings>,
  idps: readonly IdpEntry[],
): Fault[] {
  const faults: Fault[] = []
  const tell: Tell = (code, path, told, edit) =>
    faults.push({
      kind: 'malformed',
      code,
      at: document.placeOf(path),
      key: path.join('.'),
      ...told,
      ...(edit === undefined ? {} : { patch: { file: document.file, edits: [edit] } }),
    })
  const frontends = frontendsOf(settings)
  frontends.forEach((frontend, i) => {
    judgeCookies(tell, frontend)
    judgeIdp(tell, frontend, idps)
    for (const earlier of frontends.slice(0, i)) judgePair(tell, earlier, frontend)
  })
  judgeDevOrigins(tell, settings, frontends)
  return faults
}

function judgeCookies(tell: Tell, { publicUrl, cookies, allowOrigins, at }: FrontendSettings) {
  const { cookie_name: name, cookie_domain: domain, same_site: sameSite } = cookies
  if (domain !== undefined && /^__host-/i.test(name ?? '')) {
    const path = [...at.cookies, 'cookie_name']
    tell(
      'cookie_prefix',
      path,
      {
        found: `"${name}" with cookie_domain "${domain}"`,
        expected: 'no __Host- prefix: browsers refuse it on a cookie with a Domain',
        mend: 'delete cookie_name (it becomes bff_session) or delete cookie_domain',
      },
      { op: 'remove', path },
    )
  }
  if (sameSite !== 'none') return
  const path = [...at.cookies, 'same_site']
  const lax: Edit = { op: 'remove', path }
  if (publicUrl.protocol !== 'https:') {
    tell(
      'same_site_none',
      path,
      {
        found: `none with ${at.publicUrl.join('.')} "${publicUrl.origin}"`,
        expected: 'https: browsers take SameSite=None only together with Secure',
        mend: 'serve this frontend over https, or delete same_site',
      },
      lax,
    )
  }
  // The cookie comes with requests of every site: whose pages may use it must be said.
  if (allowOrigins.length === 0) {
    tell(
      'same_site_none',
      path,
      {
        found: `none without an origin in ${at.allowOrigins.join('.')}`,
        expected: 'the origins of the pages on other sites that may call',
        mend: `name them in ${at.allowOrigins.join('.')}, or delete same_site`,
      },
      lax,
    )
  }
}

function judgeIdp(tell: Tell, { name, idp }: FrontendSettings, idps: readonly IdpEntry[]) {
  if (idp === undefined) return
  const path = ['frontends', name, 'idp']
  const entry = idps.find((known) => known.name === idp)
  if (entry === undefined) {
    const known = idps.map((one) => one.name)
    const meant = nearest(idp, known)
    tell(
      'idp_unknown',
      path,
      {
        found: `"${idp}", which idps.yaml does not have`,
        expected: known.length === 0 ? 'an entry of idps.yaml' : `one of ${listOf(known)}`,
        mend:
          meant === undefined
            ? `add the entry "${idp}" to idps.yaml`
            : `did you mean "${meant}"? Otherwise add "${idp}" to idps.yaml`,
      },
      meant === undefined ? undefined : { op: 'set', path, value: meant },
    )
  } else if (entry.client_id === undefined) {
    tell('idp_unknown', path, {
      found: `"${idp}", whose entry in idps.yaml has no client_id`,
      expected: 'an IdP where we are a client, so that users can sign in',
      mend: `add client_id and client_secret to the entry "${idp}" of idps.yaml`,
    })
  }
}

function judgePair(tell: Tell, one: FrontendSettings, other: FrontendSettings) {
  if (one.publicUrl.host === other.publicUrl.host) {
    tell('frontend_overlap', other.at.publicUrl, {
      found: `"${other.publicUrl.origin}", whose host ${one.at.publicUrl.join('.')} has, too`,
      expected: 'a host of its own: it alone tells the frontends apart',
      mend: 'give it another host or port, or delete one of the two',
    })
    return
  }
  const name = sessionCookieName(other)
  // With two values of one name nobody can tell which is meant (cookie tossing).
  if (name !== sessionCookieName(one)) return
  if (!cookieReaches(one, other) && !cookieReaches(other, one)) return
  tell('cookie_shared', other.at.cookies, {
    found: `the cookie ${name}, which browsers send to "${one.name}" and "${other.name}" alike`,
    expected:
      'a cookie name of its own: cookies know no ports, and a domain covers every host below it',
    mend: `delete cookie_name and cookie_suffix of "${other.name}", or give it others`,
  })
}

/** A development server is whatever runs on somebody's machine: it must not speak for real users. */
function judgeDevOrigins(
  tell: Tell,
  { cors }: BffSettings,
  frontends: readonly FrontendSettings[],
) {
  const path = ['cors', 'dev_origins']
  const open = frontends.find(({ publicUrl }) => !isLocalForBrowsers(publicUrl.hostname))
  if (cors.dev_origins.length === 0 || open === undefined) return
  tell(
    'dev_origins_public',
    path,
    {
      found: `${listOf(cors.dev_origins)}, and a frontend at ${open.publicUrl.origin}`,
      expected: 'no development origins where a frontend is not on localhost',
      mend: 'delete cors.dev_origins, or name an origin in allow_origins if its pages may act for our users',
    },
    { op: 'remove', path },
  )
}
