import { useEffect, useState } from 'react'
import { RANGES, type Range } from './range.ts'
import { Freshness } from './ui/freshness.tsx'

type Props = {
  range: Range
  onRange: (range: Range) => void
  live: boolean
  refreshing: boolean
  /** Every panel shows its answer or failure for this very range. */
  settled: boolean
  failed: number
  /** 0 until the first answer. */
  updatedAt: number
  ownOnly: boolean
  seesAll: boolean
  onRefresh: () => void
}

export function Toolbar(props: Props) {
  const { range, live, failed, refreshing, updatedAt, onRefresh } = props
  return (
    <div className="toolbar">
      <div className="toolbar-title">
        <h1>Analytics</h1>
        {props.ownOnly ? (
          <p className="view-note">You see your own activity only.</p>
        ) : (
          props.seesAll && <p className="view-note">You see everyone’s activity.</p>
        )}
      </div>
      <div className="toolbar-controls">
        <Freshness
          live={live}
          failed={failed > 0}
          refreshing={refreshing}
          updatedAt={updatedAt}
          onRefresh={onRefresh}
        />
        <fieldset className="segments">
          <legend className="visually-hidden">Time range</legend>
          {RANGES.map((choice) => (
            <label key={choice.id}>
              <input
                type="radio"
                name="range"
                value={choice.id}
                checked={choice.id === range.id}
                onChange={() => props.onRange(choice)}
              />
              <span aria-hidden="true">{choice.label}</span>
              <span className="visually-hidden">{choice.words}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <Announcement {...props} />
    </div>
  )
}

/**
 * Tells a screen reader when another range is there, something fails or the page pauses; not every
 * fifteen seconds, which nobody could bear.
 */
function Announcement({ range, settled, failed, live }: Props) {
  const [message, setMessage] = useState('')

  useEffect(() => {
    if (!live) setMessage('Live updates are paused.')
    else if (!settled) setMessage(`Loading the ${range.words}.`)
    else if (failed > 0) setMessage(`${failed} of 3 panels could not be updated.`)
    else setMessage(`Showing the ${range.words}.`)
  }, [range, settled, failed, live])

  return (
    <p className="visually-hidden" role="status" aria-live="polite">
      {message}
    </p>
  )
}
