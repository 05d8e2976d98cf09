import type { LinkResult } from '../api/admin.ts'
import { describeLinks } from '../chain-state.ts'
import { linkName } from '../link-names.ts'
import { STATE_WORDS, StateShape } from './state-mark.tsx'

const STEP = 21
const HEIGHT = 16

/** A chain at a glance: one mark a link, in order, and no line where it is broken. */
export function ChainPicture({ links }: { links: readonly LinkResult[] }) {
  const width = (links.length - 1) * STEP + 16
  return (
    <svg
      className="chain-picture"
      role="img"
      aria-label={describeLinks(links)}
      width={width}
      height={HEIGHT}
      viewBox={`0 0 ${width} ${HEIGHT}`}
    >
      {links.slice(1).map(({ link, state }, i) => (
        <line
          key={link}
          data-broken={state === 'broken' || links[i]?.state === 'broken'}
          x1={i * STEP + 15}
          x2={(i + 1) * STEP + 1}
          y1={8}
          y2={8}
        />
      ))}
      {links.map(({ link, state }, i) => (
        <g key={link}>
          <title>{`${linkName(link)}: ${STATE_WORDS[state]}`}</title>
          <StateShape state={state} x={i * STEP + 8} y={8} />
        </g>
      ))}
    </svg>
  )
}
