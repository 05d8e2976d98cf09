import type { BrokenLink } from '../api/problem.ts'
import { Fact } from './fact.tsx'

/** Where a chain breaks, what was found there, and what to change. */
export function BreakFacts({ link }: { link: BrokenLink }) {
  return (
    <>
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
    </>
  )
}
