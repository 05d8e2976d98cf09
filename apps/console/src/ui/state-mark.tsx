import type { LinkState } from '../chain-state.ts'

export const STATE_WORDS: Record<LinkState, string> = {
  holds: 'holds',
  broken: 'broken',
  unknown: 'unknown',
}

/** A state by shape as well as by colour, with its word for those who see neither. */
export function StateMark({ state }: { state: LinkState }) {
  return (
    <span className="state-mark">
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <StateShape state={state} x={8} y={8} />
      </svg>
      <span className="visually-hidden">{STATE_WORDS[state]}: </span>
    </span>
  )
}

/** The shape alone, within a picture of 16 units a state. */
export function StateShape({ state, x, y }: { state: LinkState; x: number; y: number }) {
  return (
    <g className="state" data-state={state} transform={`translate(${x} ${y})`}>
      {state === 'broken' ? (
        <rect x="-6.5" y="-6.5" width="13" height="13" rx="3" />
      ) : (
        <circle r="6" />
      )}
      <path d={PATHS[state]} />
    </g>
  )
}

const PATHS: Record<LinkState, string> = {
  holds: 'M-2.8 0.2-0.8 2.3 2.9-2.1',
  broken: 'M-2.7-2.7 2.7 2.7M2.7-2.7-2.7 2.7',
  unknown: 'M-1.8 0h3.6',
}
