import { useDeferredValue, useId, useMemo, useState } from 'react'
import type { Backend, Chains } from '../api/admin.ts'
import type { Result } from '../api/analytics.ts'
import { type ChainRow, chainRows } from '../chain-state.ts'
import { formatCount } from '../format.ts'
import { ChainItem } from './chain-item.tsx'
import { Empty, Panel } from './panel.tsx'

const SHOWN_AT_FIRST = 8
const SHOWN_MORE = 50

type Props = { query: Result<Chains>; backends: readonly Backend[] }

/** Every route with what must line up for it. */
export function ChainsPanel({ query, backends }: Props) {
  return (
    <Panel
      id="chains"
      title="Chains"
      about="What must line up before a call reaches its backend with a token; open a route for the evidence"
      query={query}
    >
      {(data) => <Drawn data={data} backends={backends} />}
    </Panel>
  )
}

function Drawn({ data: { chains, routes }, backends }: { data: Chains } & Omit<Props, 'query'>) {
  // Not at every poll: there may be thousands.
  const rows = useMemo(() => chainRows(chains, routes, backends), [chains, routes, backends])
  const [words, setWords] = useState('')
  const [limit, setLimit] = useState(SHOWN_AT_FIRST)
  const wanted = useDeferredValue(words.trim().toLowerCase())
  const field = useId()
  const found = wanted === '' ? rows : rows.filter((row) => textOf(row).includes(wanted))
  const rest = found.length - limit

  if (rows.length === 0) return <Empty>No route is configured.</Empty>
  return (
    <>
      {rows.length > SHOWN_AT_FIRST && (
        <div className="field">
          <label htmlFor={field}>Find a route</label>
          <input
            id={field}
            type="search"
            placeholder="route, path, service or audience"
            value={words}
            onChange={(event) => setWords(event.target.value)}
          />
        </div>
      )}
      {found.length === 0 && <Empty>No route matches.</Empty>}
      <ul className="chains">
        {found.slice(0, limit).map((row) => (
          <ChainItem key={row.id} row={row} />
        ))}
      </ul>
      {rest > 0 && (
        <button
          type="button"
          className="more"
          onClick={() => setLimit((shown) => shown + SHOWN_MORE)}
        >
          Show {formatCount(Math.min(rest, SHOWN_MORE))} more of {formatCount(rest)}
        </button>
      )}
    </>
  )
}

function textOf({ id, path, service, audience, scopes }: ChainRow): string {
  return [id, path, service, audience, scopes].join(' ').toLowerCase()
}
