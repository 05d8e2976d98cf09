import type { SeenRequest } from '../api/admin.ts'

/** Status and code; without a code it is the service that answered so. */
export function Answer({ request: { status, problem } }: { request: SeenRequest }) {
  const tone = status < 400 ? 'ok' : problem !== undefined || status >= 500 ? 'bad' : 'warn'
  return (
    <span className="answer" data-tone={tone}>
      <b>{status}</b> {problem ?? (status < 400 ? '' : 'by the service')}
    </span>
  )
}
