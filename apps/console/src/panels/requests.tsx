import { useEffect, useId, useRef, useState } from 'react'
import { goTo } from '../address.ts'
import type { Explanation, SeenRequest } from '../api/admin.ts'
import type { Result } from '../api/analytics.ts'
import { formatCount } from '../format.ts'
import { requestHref } from '../page.ts'
import { EXPLANATION_TITLE, ExplanationView } from './explanation.tsx'
import { Empty, Panel } from './panel.tsx'
import { RequestItem, rowId } from './request-item.tsx'

const SHOWN_AT_FIRST = 12

type Props = {
  query: Result<{ requests: SeenRequest[] }>
  failed: boolean
  onFailed: (failed: boolean) => void
  /** The correlation id of the one that is explained. */
  selected: string | undefined
  explanation: Result<Explanation>
  search: string
}

/** The requests of late, and why one of them was answered as it was. */
export function RequestsPanel({ query, failed, onFailed, selected, explanation, search }: Props) {
  useFocusOnSelection(selected)
  return (
    <Panel
      id="requests"
      title="Requests of late"
      about="Newest first; what failed for a user is kept for a day"
      query={query}
      tools={
        <>
          <fieldset className="segments">
            <legend className="visually-hidden">Which requests</legend>
            <Choice name="Failed" checked={failed} onChoose={() => onFailed(true)} />
            <Choice name="All" checked={!failed} onChoose={() => onFailed(false)} />
          </fieldset>
          <FindForm />
        </>
      }
      beside={
        selected !== undefined && (
          <ExplanationView id={selected} query={explanation} search={search} />
        )
      }
    >
      {({ requests }) =>
        requests.length === 0 ? (
          <Empty>{failed ? 'No request failed of late.' : 'No request came of late.'}</Empty>
        ) : (
          <List key={String(failed)} requests={requests} selected={selected} search={search} />
        )
      }
    </Panel>
  )
}

function List({
  requests,
  selected,
  search,
}: {
  requests: readonly SeenRequest[]
  selected: string | undefined
  search: string
}) {
  const [all, setAll] = useState(false)
  const shown = all ? requests : requests.slice(0, SHOWN_AT_FIRST)
  return (
    <>
      <ol className="requests">
        {shown.map((request) => (
          <RequestItem
            key={`${request.at} ${request.id}`}
            request={request}
            isSelected={request.id === selected}
            search={search}
          />
        ))}
      </ol>
      {requests.length > SHOWN_AT_FIRST && (
        <button
          type="button"
          className="more"
          aria-expanded={all}
          onClick={() => setAll((shown) => !shown)}
        >
          {all ? 'Show fewer' : `Show all ${formatCount(requests.length)}`}
        </button>
      )}
    </>
  )
}

function Choice({
  name,
  checked,
  onChoose,
}: {
  name: string
  checked: boolean
  onChoose: () => void
}) {
  return (
    <label>
      <input type="radio" name="requests" checked={checked} onChange={onChoose} />
      {name}
    </label>
  )
}

/** From a log line, an error body or a user's words straight to the explanation. */
function FindForm() {
  const field = useId()
  return (
    <search>
      <form
        className="field"
        onSubmit={(event) => {
          event.preventDefault()
          const id = String(new FormData(event.currentTarget).get('id') ?? '').trim()
          if (id !== '') goTo(requestHref(window.location.search, id))
        }}
      >
        <label htmlFor={field} className="visually-hidden">
          Correlation id
        </label>
        <input
          id={field}
          name="id"
          type="search"
          placeholder="Correlation id"
          autoComplete="off"
          spellCheck={false}
          maxLength={128}
        />
        <button type="submit" className="button">
          Explain
        </button>
      </form>
    </search>
  )
}

/** What was chosen is read next; whoever closes it goes on in the list where they were. */
function useFocusOnSelection(selected: string | undefined) {
  const last = useRef(selected)
  useEffect(() => {
    if (selected === last.current) return
    const target = selected === undefined ? last.current && rowId(last.current) : EXPLANATION_TITLE
    last.current = selected
    if (target) document.getElementById(target)?.focus()
  }, [selected])
}
