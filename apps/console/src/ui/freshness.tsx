import { formatSeconds } from '../format.ts'
import { RefreshIcon } from './icons.tsx'

type Props = {
  live: boolean
  failed: boolean
  refreshing: boolean
  /** 0 until the first answer. */
  updatedAt: number
  onRefresh: () => void
}

/** Whether what is on the screen moves, since when it stands, and a way to ask now. */
export function Freshness({ live, failed, refreshing, updatedAt, onRefresh }: Props) {
  return (
    <>
      <p className="freshness" data-live={live && !failed}>
        <span className="dot" />
        {!live ? 'Paused while you are away' : failed ? 'Not up to date' : 'Live'}
        {updatedAt > 0 && <span className="freshness-at"> · {formatSeconds(updatedAt)}</span>}
      </p>
      <button
        type="button"
        className="button icon-button"
        aria-label="Refresh now"
        aria-disabled={refreshing}
        data-busy={refreshing}
        onClick={onRefresh}
      >
        <RefreshIcon />
      </button>
    </>
  )
}
