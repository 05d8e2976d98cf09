import type { ReactNode } from 'react'
import type { BrokenLink } from '../api/admin.ts'
import { formatPlace } from '../broken-links.ts'
import { linkName } from '../link-names.ts'
import { BreakFacts } from './break-facts.tsx'
import { StateMark } from './state-mark.tsx'

type Props = { link: BrokenLink; note?: ReactNode; children?: ReactNode }

/** A broken link by its name and code, with its place and its mend. */
export function BreakCard({ link, note, children }: Props) {
  return (
    <div className="break" data-testid="broken-link">
      <p className="break-head">
        <StateMark state="broken" />
        <strong>{linkName(link.link)}</strong>
        <code>{link.code}</code>
        {note !== undefined && <span className="none">{note}</span>}
      </p>
      <BreakFacts link={{ ...link, at: link.at && formatPlace(link.at) }} />
      {children}
    </div>
  )
}
