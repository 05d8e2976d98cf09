import type { Explanation, SeenRequest } from '../api/admin.ts'
import type { Result } from '../api/analytics.ts'
import { toProblem } from '../api/problem.ts'
import { explainCommand } from '../bridge-state.ts'
import { formatDuration, formatMoment, formatPlural } from '../format.ts'
import { requestHref } from '../page.ts'
import { Answer } from '../ui/answer.tsx'
import { Boundary } from '../ui/boundary.tsx'
import { BreakCard } from '../ui/break-card.tsx'
import { ChainPicture } from '../ui/chain-picture.tsx'
import { Copy } from '../ui/copy.tsx'
import { Fact } from '../ui/fact.tsx'
import { LinkList } from '../ui/link-list.tsx'
import { Name } from '../ui/name.tsx'
import { PageLink } from '../ui/page-link.tsx'
import { ProblemNotice } from '../ui/problem-notice.tsx'
import { Empty } from './panel.tsx'

export const EXPLANATION_TITLE = 'explanation-title'

type Props = { id: string; query: Result<Explanation>; search: string }

/** Why one request was answered as it was. */
export function ExplanationView({ id, query, search }: Props) {
  const { data, error, refetch } = query
  const problem = error === null ? undefined : toProblem(error)
  return (
    <section
      className="explanation"
      aria-labelledby={EXPLANATION_TITLE}
      aria-busy={query.isPending}
      data-testid="explanation"
    >
      <div className="explanation-head">
        <h3 id={EXPLANATION_TITLE} tabIndex={-1}>
          {data === undefined ? (
            `Request ${id}`
          ) : (
            <>
              <span className="method">{data.request.method}</span> <Name>{data.request.path}</Name>
            </>
          )}
        </h3>
        <PageLink className="button" to={requestHref(search, undefined)}>
          Close
        </PageLink>
      </div>
      {problem?.code === 'NOT_FOUND' ? (
        <Empty>Nothing is kept of this request: {problem.message}.</Empty>
      ) : (
        problem && <ProblemNotice problem={problem} retry={() => void refetch()} />
      )}
      {query.isPending && <p className="none">Looking for what is kept of it…</p>}
      {data !== undefined && problem === undefined && (
        <Boundary resetKey={data}>
          <Drawn data={data} />
        </Boundary>
      )}
    </section>
  )
}

function Drawn({ data }: { data: Explanation }) {
  const { request, links, broken, text, earlier } = data
  return (
    <>
      <p className="explanation-answer">
        <Answer request={request} />
        <span>
          <time dateTime={request.at}>{formatMoment(request.at, Date.now())}</time>, after{' '}
          {formatDuration(request.elapsed_ms)}
        </span>
        <span>{whoOf(request)}</span>
        {request.service !== undefined && (
          <span>
            {request.route} → {request.service}
          </span>
        )}
      </p>
      {broken === undefined ? (
        <p>{verdictOf(request)}</p>
      ) : (
        <BreakCard link={broken} note="broke first" />
      )}
      {data.config_changed && (
        <p className="note">
          The configuration has changed since (it was {request.config_version}). The links of the
          files are judged as they are now.
        </p>
      )}
      <ChainPicture links={links} />
      <LinkList links={links} first={broken} brief />
      <dl className="facts">
        <Fact name="On a terminal" value={explainCommand(request.id)} copyable>
          <Copy value={text} what="the explanation as text" label="Copy as text" />
        </Fact>
      </dl>
      {earlier.length > 0 && <Earlier requests={earlier} />}
    </>
  )
}

function Earlier({ requests }: { requests: readonly SeenRequest[] }) {
  return (
    <section className="told">
      <h4>{formatPlural(requests.length, 'earlier request')} came with the same id</h4>
      <ul>
        {requests.map((request) => (
          <li key={request.at} className="sub">
            <time dateTime={request.at}>{formatMoment(request.at, Date.now())}</time>{' '}
            {request.method} {request.path} <Answer request={request} />
          </li>
        ))}
      </ul>
    </section>
  )
}

function whoOf({ session }: SeenRequest): string {
  if (session?.subject === undefined) return 'nobody signed in'
  const age = session.age_seconds
  return age === undefined
    ? session.subject
    : `${session.subject}, signed in ${formatDuration(age * 1000)} before`
}

function verdictOf({ status, problem }: SeenRequest): string {
  if (status < 400) return 'Every link that this request met held.'
  if (problem === undefined) {
    return 'No link is broken: the service itself answered so, to a token that it took.'
  }
  return 'No link is known to be broken.'
}
