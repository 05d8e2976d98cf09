import { useEffect, useState } from 'react'
import type { ApiProblem, BrokenLink } from '../api/problem.ts'
import { WarningIcon } from './icons.tsx'

type Props = { problem: ApiProblem; retry?: () => void }

/** What went wrong, what to quote when asking for help, and for administrators what to change. */
export function ProblemNotice({ problem, retry }: Props) {
  return (
    <div className="problem" role="alert">
      <div className="problem-head">
        <WarningIcon />
        <div>
          <h3>{problem.title}</h3>
          {problem.message !== '' && <p>{problem.message}</p>}
        </div>
      </div>
      {problem.brokenLink !== undefined && <BrokenLinkNotice link={problem.brokenLink} />}
      <dl className="facts">
        <Fact name="Code" value={status(problem)} />
        {problem.service !== undefined && <Fact name="Service" value={problem.service} />}
        {problem.correlationId !== undefined && (
          <Fact name="Correlation id" value={problem.correlationId} copyable />
        )}
      </dl>
      {retry !== undefined && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

function BrokenLinkNotice({ link }: { link: BrokenLink }) {
  return (
    <div className="broken-link">
      <h4>Where the chain breaks</h4>
      <dl className="facts">
        {link.at !== undefined && <Fact name="At" value={link.at} copyable />}
        <Fact name="Found" value={link.found} />
        <Fact name="Expected" value={link.expected} />
      </dl>
      {link.mend !== undefined && (
        <p className="mend">
          <strong>To mend it:</strong> {link.mend}
        </p>
      )}
    </div>
  )
}

function Fact({ name, value, copyable = false }: Fact) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <code>{value}</code>
        {copyable && <Copy value={value} what={name} />}
      </dd>
    </div>
  )
}

type Fact = { name: string; value: string; copyable?: boolean }

function Copy({ value, what }: { value: string; what: string }) {
  const [copied, setCopied] = useState(false)

  useEffect(() => {
    if (!copied) return
    const timer = window.setTimeout(() => setCopied(false), 2_000)
    return () => window.clearTimeout(timer)
  }, [copied])

  // Browsers offer the clipboard to secure origins only; elsewhere the text can still be selected.
  if (navigator.clipboard === undefined) return null
  return (
    <button
      type="button"
      className="copy"
      aria-label={`Copy ${what.toLowerCase()}`}
      onClick={() => void navigator.clipboard.writeText(value).then(() => setCopied(true))}
    >
      <span aria-live="polite">{copied ? 'Copied' : 'Copy'}</span>
    </button>
  )
}

function status({ code, status }: ApiProblem): string {
  return status === undefined ? code : `${code} (${status})`
}
