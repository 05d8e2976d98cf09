import { useState } from 'react'
import type { Config } from '../api/admin.ts'
import type { Result } from '../api/analytics.ts'
import { type BrokenGroup, groupBroken } from '../broken-links.ts'
import { isBrokenLinkLine } from '../fault-line.ts'
import { formatAgo, formatCount, formatMoment, formatPlural } from '../format.ts'
import { BreakCard } from '../ui/break-card.tsx'
import { Fact } from '../ui/fact.tsx'
import { FaultList } from '../ui/fault-list.tsx'
import { Tile } from '../ui/tile.tsx'
import { Panel } from './panel.tsx'

const SHOWN_AT_FIRST = 5

type Props = {
  query: Result<Config> /** Undefined until they are known. */
  routes: number | undefined
}

/** What is in force, since when, and what is wrong with it. */
export function ConfigurationPanel({ query, routes }: Props) {
  return (
    <Panel
      id="configuration"
      title="Configuration"
      about="What is in force now; a change of the files is taken over by itself"
      query={query}
    >
      {(data) => <Drawn data={data} routes={routes} />}
    </Panel>
  )
}

function Drawn({ data, routes }: { data: Config; routes: number | undefined }) {
  const broken = data.broken_links.length
  // Of a refused reading, the banner above tells.
  const faults = data.refused ? [] : data.faults.filter((line) => !isBrokenLinkLine(line))
  return (
    <>
      <dl className="tiles">
        <Tile
          label="Version in force"
          value={data.version}
          testId="config-version"
          {...(data.refused ? { note: 'older than the files', tone: 'bad' as const } : {})}
        />
        <Tile
          label="Loaded"
          value={formatMoment(data.loaded_at, Date.now())}
          note={formatAgo(data.loaded_at, Date.now())}
        />
        <Tile
          label="Routes"
          value={routes === undefined ? '–' : formatCount(routes)}
          note={broken === 0 ? 'none is broken' : `${formatCount(broken)} broken`}
          testId="config-routes"
          {...(broken > 0 ? { tone: 'bad' as const } : {})}
        />
        <Tile
          label="Warnings"
          value={formatCount(data.warnings.length)}
          {...(data.warnings.length > 0 ? { tone: 'warn' as const } : {})}
        />
      </dl>
      {broken > 0 && <Broken groups={groupBroken(data.broken_links)} />}
      {faults.length > 0 && (
        <section className="told">
          <h3>Faults in other files</h3>
          <p className="sub">They refuse nothing here; what they concern cannot be judged.</p>
          <FaultList lines={faults} />
        </section>
      )}
      {data.warnings.length > 0 && (
        <section className="told">
          <h3>Warnings</h3>
          <ul className="warnings">
            {data.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

function Broken({ groups }: { groups: BrokenGroup[] }) {
  const [all, setAll] = useState(false)
  const shown = all ? groups : groups.slice(0, SHOWN_AT_FIRST)
  return (
    <section className="told">
      <h3>{groups.length === 1 ? 'The broken link' : 'Broken links'}</h3>
      <ul className="breaks">
        {shown.map((group) => (
          <Break key={`${group.link.code} ${group.routes[0]}`} group={group} />
        ))}
      </ul>
      {groups.length > SHOWN_AT_FIRST && (
        <button
          type="button"
          className="more"
          aria-expanded={all}
          onClick={() => setAll((shown) => !shown)}
        >
          {all ? 'Show fewer' : `Show all ${formatCount(groups.length)}`}
        </button>
      )}
    </section>
  )
}

function Break({ group: { link, routes } }: { group: BrokenGroup }) {
  const [first, ...others] = routes
  const note = `stops ${first}${others.length === 0 ? '' : ` and ${formatPlural(others.length, 'other route')}`}`
  return (
    <li>
      <BreakCard link={link} note={note}>
        {link.patch !== undefined && (
          <dl className="facts">
            <Fact name="As a patch" value={`npx bridge mend ${link.code}`} copyable />
          </dl>
        )}
      </BreakCard>
    </li>
  )
}
