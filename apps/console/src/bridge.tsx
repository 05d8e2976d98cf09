import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import {
  type Backend,
  backendsQuery,
  chainsQuery,
  configQuery,
  explanationQuery,
  failuresQuery,
  requestsQuery,
} from './api/admin.ts'
import { allSessionsQuery } from './api/sessions.ts'
import { BridgeToolbar } from './bridge-toolbar.tsx'
import { readRequest } from './page.ts'
import { BackendsPanel } from './panels/backends.tsx'
import { ChainsPanel } from './panels/chains.tsx'
import { ConfigurationPanel } from './panels/configuration.tsx'
import { FailuresPanel } from './panels/failures.tsx'
import { RequestsPanel } from './panels/requests.tsx'
import { SessionsPanel } from './panels/sessions.tsx'
import { RefusedBanner } from './refused-banner.tsx'
import './styles/bridge.css'

const NONE: readonly Backend[] = []

type Props = { subject: string; attended: boolean; search: string }

/** The administrators' page: what is configured, whether it lines up, and why a request failed. */
export function Bridge({ subject, attended, search }: Props) {
  const asked = { subject, live: attended }
  const selected = readRequest(search)
  const [failed, setFailed] = useState(true)
  // Whoever comes for one request finds it on top; and nothing changes places afterwards.
  const [requestsFirst] = useState(selected !== undefined)

  const config = useQuery(configQuery(asked))
  // A reading that changes nothing for the gateway may still change what backends are said to expect.
  const edition = config.data && `${config.data.version} ${config.data.loaded_at}`
  const chains = useQuery(chainsQuery(asked, edition))
  const backends = useQuery(backendsQuery(asked, edition))
  const requests = useQuery(requestsQuery(asked, failed))
  const failures = useQuery(failuresQuery(asked))
  const sessions = useQuery(allSessionsQuery(asked))
  const explanation = useQuery({
    ...explanationQuery(asked, edition, selected ?? ''),
    enabled: selected !== undefined,
  })
  const queries = [config, chains, backends, requests, failures, sessions]
  useTitle('Bridge · Audience Bridge')

  const requestsPanel = (
    <RequestsPanel
      key="requests"
      query={requests}
      failed={failed}
      onFailed={setFailed}
      selected={selected}
      explanation={explanation}
      search={search}
    />
  )
  return (
    <main className="page" data-testid="bridge">
      <BridgeToolbar
        subject={subject}
        config={config.data}
        live={attended}
        failed={queries.some((query) => query.isError)}
        refreshing={queries.some((query) => query.isFetching)}
        updatedAt={config.dataUpdatedAt}
        onRefresh={() => {
          for (const query of queries) void query.refetch()
        }}
      />
      {config.data?.refused && <RefusedBanner config={config.data} />}
      <div className="panels bridge-panels">
        {requestsFirst && requestsPanel}
        <ConfigurationPanel query={config} routes={chains.data?.chains.length} />
        <ChainsPanel query={chains} backends={backends.data?.backends ?? NONE} />
        {!requestsFirst && requestsPanel}
        <BackendsPanel query={backends} />
        <FailuresPanel query={failures} />
        <SessionsPanel query={sessions} />
      </div>
    </main>
  )
}

function useTitle(title: string) {
  useEffect(() => {
    const before = document.title
    document.title = title
    return () => {
      document.title = before
    }
  }, [title])
}
