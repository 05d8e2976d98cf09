import type { AnomalousAccessPatternsResponse } from '@audience-bridge/contracts/analytics.ts'
import { formatEvidence, formatPlural, formatScore, formatShare, formatSpan } from '../format.ts'
import { Bar } from '../ui/bar.tsx'
import { Name } from '../ui/name.tsx'

type Pattern = AnomalousAccessPatternsResponse['patterns'][number]
type Reason = Pattern['reasons'][number]

/** One pattern: how strange, who, where, when, and why. */
export function PatternItem({ pattern }: { pattern: Pattern }) {
  const tone = pattern.score >= 0.85 ? 'bad' : 'warn'
  return (
    <li className="pattern">
      <div className="pattern-score" data-tone={tone}>
        <span>
          <span className="visually-hidden">Score </span>
          {formatScore(pattern.score)}
        </span>
        <Bar value={pattern.score} tone={tone} />
      </div>
      <div className="pattern-who">
        <p>
          <Name>{pattern.subject}</Name>
          {pattern.roles.map((role) => (
            <span key={role} className="chip">
              {role}
            </span>
          ))}
        </p>
        <p className="sub">
          {pattern.service} · {formatPlural(pattern.events, 'event')}
        </p>
        <p className="sub">
          <time dateTime={pattern.first_at}>{formatSpan(pattern.first_at, pattern.last_at)}</time>
        </p>
      </div>
      <ul className="reasons">
        {pattern.reasons.map((reason) => (
          <ReasonItem key={reason.feature} reason={reason} />
        ))}
      </ul>
    </li>
  )
}

function ReasonItem({ reason }: { reason: Reason }) {
  return (
    <li>
      <span className="reason-weight">
        {formatShare(reason.weight)}
        <span className="visually-hidden"> of the score:</span>
      </span>
      <span>
        {reason.text}
        <span className="sub">
          observed {formatEvidence(reason.observed)}, expected {formatEvidence(reason.expected)}
        </span>
      </span>
    </li>
  )
}
