import type { ReactNode } from 'react'
import type { Result } from '../api/analytics.ts'
import { toProblem } from '../api/problem.ts'
import { formatSeconds } from '../format.ts'
import { Boundary } from '../ui/boundary.tsx'
import { ProblemNotice } from '../ui/problem-notice.tsx'

type Props<T> = {
  id: string
  title: string
  about: string
  query: Result<T>
  /** What may be chosen, beside the title. */
  tools?: ReactNode
  /** Stands beside the answer, and without it too. */
  beside?: ReactNode
  /** Draws the answer; called with one only. */
  children: (data: T) => ReactNode
}

/** The frame of every panel: loading, failed, failed to refresh, or drawn. */
export function Panel<T>({ id, title, about, query, tools, beside, children }: Props<T>) {
  const { data, error, isPlaceholderData } = query
  const heading = `${id}-title`

  return (
    <section
      className="panel"
      data-testid={`panel-${id}`}
      aria-labelledby={heading}
      aria-busy={isPlaceholderData || (data === undefined && error === null)}
    >
      <div className="panel-head">
        <div>
          <h2 id={heading}>{title}</h2>
          <p>{about}</p>
        </div>
        {tools !== undefined && <div className="panel-tools">{tools}</div>}
      </div>
      {beside === undefined ? (
        <Answered query={query}>{children}</Answered>
      ) : (
        <div className="panel-split">
          <div className="panel-main">
            <Answered query={query}>{children}</Answered>
          </div>
          {beside}
        </div>
      )}
    </section>
  )
}

function Answered<T>({ query, children }: Pick<Props<T>, 'query' | 'children'>) {
  const { data, error, isPlaceholderData, dataUpdatedAt, refetch } = query
  return (
    <>
      {error !== null && <ProblemNotice problem={toProblem(error)} retry={() => void refetch()} />}
      {error !== null && data !== undefined && (
        <p className="panel-stale">These figures are of {formatSeconds(dataUpdatedAt)}.</p>
      )}
      {data === undefined && error === null && <Skeleton />}
      {data !== undefined && (
        <div className="panel-body" data-stale={error !== null ? 'failed' : isPlaceholderData}>
          <Boundary resetKey={dataUpdatedAt}>
            <Drawn data={data} draw={children} />
          </Boundary>
        </div>
      )}
    </>
  )
}

/** A component of its own, so that what `draw` throws lands in the boundary around it. */
function Drawn<T>({ data, draw }: { data: T; draw: (data: T) => ReactNode }) {
  return draw(data)
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="empty">{children}</p>
}

function Skeleton() {
  return (
    <div className="skeleton" aria-hidden="true">
      <div className="skeleton-tiles">
        <i />
        <i />
        <i />
        <i />
      </div>
      <i className="skeleton-chart" />
      <i className="skeleton-line" />
      <i className="skeleton-line" />
      <i className="skeleton-line" />
    </div>
  )
}
