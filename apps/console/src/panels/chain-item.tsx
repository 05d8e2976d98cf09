import { useId, useState } from 'react'
import type { LinkResult } from '../api/admin.ts'
import type { ChainRow } from '../chain-state.ts'
import { ChainPicture } from '../ui/chain-picture.tsx'
import { LinkList } from '../ui/link-list.tsx'
import { Name } from '../ui/name.tsx'
import { StateMark } from '../ui/state-mark.tsx'

/** One route: where it leads and with what, its chain at a glance, and on demand each link. */
export function ChainItem({ row }: { row: ChainRow }) {
  const [open, setOpen] = useState(false)
  const links = useId()
  const picture = useId()

  return (
    <li className="chain" data-state={row.state} data-testid={`chain-${row.id}`}>
      <div className="chain-row">
        <StateMark state={row.state} />
        <div className="chain-route">
          <button
            type="button"
            aria-expanded={open}
            aria-controls={links}
            aria-describedby={picture}
            onClick={() => setOpen((shown) => !shown)}
          >
            <Name>{row.id}</Name>
          </button>
          {row.path !== undefined && <code className="sub">{row.path}</code>}
        </div>
        <p className="chain-way">
          <Name>{row.service}</Name>
          {row.audience !== undefined && (
            <span className="sub">
              <Arrow /> {row.audience ?? 'no audience: service_audiences does not name it'}
            </span>
          )}
          {row.scopes !== undefined && (
            <span className="sub">
              <Arrow /> <span className="visually-hidden">with the scopes </span>
              <code>{row.scopes}</code>
            </span>
          )}
        </p>
        <div className="chain-state" id={picture}>
          <ChainPicture links={row.links} />
        </div>
        <span className="chevron" aria-hidden="true" />
      </div>
      <div id={links} hidden={!open}>
        {open && <LinkList links={row.links} first={firstBroken(row.links)} />}
      </div>
    </li>
  )
}

function Arrow() {
  return <span aria-hidden="true">→</span>
}

function firstBroken(links: readonly LinkResult[]) {
  return links.find((link) => link.state === 'broken')
}
