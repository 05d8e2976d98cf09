import { useContext } from 'react'
import type { ApiProblem } from '../api/problem.ts'
import { Explainable } from '../explainable.ts'
import { requestHref } from '../page.ts'
import { BreakFacts } from './break-facts.tsx'
import { Fact } from './fact.tsx'
import { WarningIcon } from './icons.tsx'
import { PageLink } from './page-link.tsx'

type Props = { problem: ApiProblem; retry?: () => void }

/** What went wrong, what to quote when asking for help, and for administrators what to change. */
export function ProblemNotice({ problem, retry }: Props) {
  const { brokenLink, correlationId } = problem
  const explainable = useContext(Explainable) && problem.status !== undefined
  return (
    <div className="problem" role="alert">
      <div className="problem-head">
        <WarningIcon />
        <div>
          <h3>{problem.title}</h3>
          {problem.message !== '' && <p>{problem.message}</p>}
        </div>
      </div>
      {brokenLink !== undefined && (
        <div className="broken-link">
          <h4>Where the chain breaks</h4>
          <BreakFacts link={brokenLink} />
        </div>
      )}
      <dl className="facts">
        <Fact name="Code" value={status(problem)} />
        {problem.service !== undefined && <Fact name="Service" value={problem.service} />}
        {correlationId !== undefined && (
          <Fact name="Correlation id" value={correlationId} copyable />
        )}
      </dl>
      <div className="problem-ways">
        {retry !== undefined && (
          <button type="button" className="button" onClick={retry}>
            Try again
          </button>
        )}
        {explainable && correlationId !== undefined && (
          <PageLink className="more" to={requestHref(window.location.search, correlationId)}>
            Explain this
          </PageLink>
        )}
      </div>
    </div>
  )
}

function status({ code, status }: ApiProblem): string {
  return status === undefined ? code : `${code} (${status})`
}
