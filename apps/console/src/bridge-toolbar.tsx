import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { type Config, key, reloadConfig } from './api/admin.ts'
import { toProblem } from './api/problem.ts'
import { reloadOutcome, verdictOf } from './bridge-state.ts'
import { sessionQuery } from './session.ts'
import { Freshness } from './ui/freshness.tsx'

/** Long enough to be read; later the files may be others. */
const NOTE_MS = 15_000

type Props = {
  subject: string
  config: Config | undefined
  live: boolean
  failed: boolean
  refreshing: boolean
  updatedAt: number
  onRefresh: () => void
}

/** The state of the bridge in one line, and the way to have the files read now. */
export function BridgeToolbar({ subject, config, ...freshness }: Props) {
  const client = useQueryClient()
  const reload = useMutation({
    mutationFn: reloadConfig,
    onSuccess: () => client.invalidateQueries({ queryKey: key({ subject }, []) }),
    // The session may be gone, or its role: learn which.
    onError: () => client.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  })
  const [before, setBefore] = useState<string>()
  useEffect(() => {
    if (reload.status !== 'success') return
    const timer = window.setTimeout(reload.reset, NOTE_MS)
    return () => window.clearTimeout(timer)
  }, [reload.status, reload.reset])
  const verdict = config === undefined ? undefined : verdictOf(config)

  return (
    <div className="toolbar">
      <div className="toolbar-title">
        <h1>Bridge</h1>
        {verdict !== undefined && (
          <p className="view-note verdict" data-tone={verdict.tone} data-testid="verdict">
            {verdict.text}
          </p>
        )}
      </div>
      <div className="toolbar-controls">
        <Freshness {...freshness} />
        <button
          type="button"
          className="button"
          data-testid="reload"
          disabled={reload.isPending}
          onClick={() => {
            setBefore(config?.version)
            reload.mutate()
          }}
        >
          Reload the files
        </button>
      </div>
      {reload.data !== undefined && (
        <p className="reload-note" role="status">
          {reloadOutcome(before, reload.data)}
        </p>
      )}
      {reload.error !== null && (
        <p className="reload-note" role="alert">
          The files could not be reloaded: {toProblem(reload.error).title}.{' '}
          {toProblem(reload.error).message}
        </p>
      )}
      <Announcement text={verdict?.text} />
    </div>
  )
}

/** Tells a screen reader when the state turns, and not every five seconds. */
function Announcement({ text }: { text: string | undefined }) {
  const [message, setMessage] = useState('')
  useEffect(() => {
    if (text !== undefined) setMessage(`${text}.`)
  }, [text])
  return (
    <p className="visually-hidden" role="status" aria-live="polite">
      {message}
    </p>
  )
}
