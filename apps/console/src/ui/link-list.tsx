import type { BrokenLink, LinkResult } from '../api/admin.ts'
import { formatPlace } from '../broken-links.ts'
import { linkName } from '../link-names.ts'
import { BreakFacts } from './break-facts.tsx'
import { StateMark } from './state-mark.tsx'

type Props = {
  links: readonly LinkResult[]
  /** The link that explains the rest. */
  first: BrokenLink | undefined
  /** What is wrong with the first one, and its mend, stand elsewhere. */
  brief?: boolean
}

/** Every link with its evidence; the first broken one stands out. */
export function LinkList({ links, first, brief = false }: Props) {
  return (
    <ol className="links">
      {links.map((link) => {
        const isFirst = isSame(link, first)
        return (
          <li key={link.link} data-state={link.state} data-first={isFirst}>
            <StateMark state={link.state} />
            <p className="link-name">{linkName(link.link)}</p>
            <div className="link-told">
              <Told link={link} inFull={isFirst && !brief} />
            </div>
          </li>
        )
      })}
    </ol>
  )
}

function Told({ link, inFull }: { link: LinkResult; inFull: boolean }) {
  if (link.state === 'holds') return <p>{link.evidence}</p>
  if (link.state === 'unknown') return <p className="none">{link.why}</p>
  if (inFull) return <BreakFacts link={{ ...link, at: link.at && formatPlace(link.at) }} />
  return (
    <>
      <p>found {link.found}</p>
      <p className="sub">expected {link.expected}</p>
    </>
  )
}

const isSame = (link: LinkResult, first: BrokenLink | undefined) =>
  link.state === 'broken' && link.link === first?.link && link.code === first.code
