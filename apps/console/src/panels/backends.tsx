import type { Backend, Backends } from '../api/admin.ts'
import type { Result } from '../api/analytics.ts'
import { formatPlace } from '../broken-links.ts'
import type { LinkState } from '../chain-state.ts'
import { BreakFacts } from '../ui/break-facts.tsx'
import { Name } from '../ui/name.tsx'
import { StateMark } from '../ui/state-mark.tsx'
import { Empty, Panel } from './panel.tsx'

/** What each backend says of itself, held against the map. */
export function BackendsPanel({ query }: { query: Result<Backends> }) {
  return (
    <Panel
      id="backends"
      title="Backends"
      about="What each says of itself, held against the map; asked every fifteen seconds"
      query={query}
    >
      {({ issuer, backends }) =>
        backends.length === 0 ? (
          <Empty>No service is configured.</Empty>
        ) : (
          <ul className="backends">
            {backends.map((backend) => (
              <BackendItem key={backend.service} backend={backend} issuer={issuer} />
            ))}
          </ul>
        )
      }
    </Panel>
  )
}

function BackendItem({ backend, issuer }: { backend: Backend; issuer: string }) {
  const { service, base_url: base, link } = backend
  const state: LinkState = link?.state ?? 'unknown'
  return (
    <li data-state={state} data-testid={`backend-${service}`}>
      <StateMark state={state} />
      <div className="backend-told">
        <p>
          <Name>{service}</Name>
          <code className="sub">{base}</code>
        </p>
        {link?.state === 'broken' ? (
          <BreakFacts link={{ ...link, at: link.at && formatPlace(link.at) }} />
        ) : (
          <p className={state === 'holds' ? undefined : 'none'}>{said(backend, issuer)}</p>
        )}
      </div>
    </li>
  )
}

function said({ audience, resource, authorization_servers: servers }: Backend, issuer: string) {
  if (resource === undefined) {
    return 'Says nothing of itself: it publishes no RFC 9728 metadata, or did not answer within a second.'
  }
  if (audience === undefined) return `Expects ${resource}; service_audiences does not name it.`
  const trust = servers?.includes(issuer) ? ', and trusts our issuer' : ''
  return `Expects ${resource}, as the map says${trust}.`
}
