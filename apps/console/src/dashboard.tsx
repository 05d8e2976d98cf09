import { useQuery } from '@tanstack/react-query'
import { anomaliesQuery, authorizationQuery, workflowsQuery } from './api/analytics.ts'
import { AnomaliesPanel } from './panels/anomalies.tsx'
import { AuthorizationPanel } from './panels/authorization.tsx'
import { WorkflowsPanel } from './panels/workflows.tsx'
import { Toolbar } from './toolbar.tsx'
import { useRange } from './use-range.ts'

/** The three panels over one time range. */
export function Dashboard({ subject, attended }: { subject: string; attended: boolean }) {
  const [range, setRange] = useRange()
  const asked = { subject, range, live: attended }
  const workflows = useQuery(workflowsQuery(asked))
  const authorization = useQuery(authorizationQuery(asked))
  const anomalies = useQuery(anomaliesQuery(asked))
  const queries = [workflows, authorization, anomalies]

  return (
    <main className="page">
      <Toolbar
        range={range}
        onRange={setRange}
        live={attended}
        refreshing={queries.some((query) => query.isFetching)}
        settled={queries.every((query) => !query.isPending && !query.isPlaceholderData)}
        failed={queries.filter((query) => query.isError).length}
        updatedAt={Math.max(...queries.map((query) => query.dataUpdatedAt))}
        ownOnly={queries.some((query) => query.data?.view === 'own')}
        seesAll={queries.some((query) => query.data?.view === 'all')}
        onRefresh={() => {
          for (const query of queries) void query.refetch()
        }}
      />
      <div className="panels">
        <WorkflowsPanel query={workflows} />
        <AuthorizationPanel query={authorization} />
        <AnomaliesPanel query={anomalies} />
      </div>
    </main>
  )
}
