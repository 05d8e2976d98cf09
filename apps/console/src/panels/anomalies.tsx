import type { AnomalousAccessPatternsResponse } from '@audience-bridge/contracts/analytics.ts'
import { useState } from 'react'
import type { Result } from '../api/analytics.ts'
import { formatCount, formatScore } from '../format.ts'
import { Tile } from '../ui/tile.tsx'
import { Empty, Panel } from './panel.tsx'
import { PatternItem } from './pattern.tsx'

const SHOWN_AT_FIRST = 6

export function AnomaliesPanel({ query }: { query: Result<AnomalousAccessPatternsResponse> }) {
  return (
    <Panel
      id="anomalies"
      title="Unusual access"
      about="Behaviour that departs from a person’s own habits and those of their roles, strangest first"
      query={query}
    >
      {(data) => <Drawn data={data} />}
    </Panel>
  )
}

function Drawn({ data }: { data: AnomalousAccessPatternsResponse }) {
  const [all, setAll] = useState(false)
  const { method } = data
  const patterns = data.patterns.toSorted((a, b) => b.score - a.score)
  const shown = all ? patterns : patterns.slice(0, SHOWN_AT_FIRST)
  const subjects = new Set(patterns.map((pattern) => pattern.subject)).size
  const [strangest] = patterns

  return (
    <>
      <dl className="tiles">
        <Tile
          label="Patterns"
          value={formatCount(patterns.length)}
          note={`score ${formatScore(method.min_score)} and above`}
          testId="anomalies-count"
          {...(patterns.length > 0 ? { tone: 'warn' as const } : {})}
        />
        <Tile label="Subjects" value={formatCount(subjects)} />
        <Tile
          label="Highest score"
          value={strangest === undefined ? '–' : formatScore(strangest.score)}
          note="1.00 is the strangest"
        />
        <Tile
          label="Events evaluated"
          value={formatCount(data.evaluated_events)}
          note={`${method.name} ${method.version}`}
        />
      </dl>
      {patterns.length === 0 ? (
        <Empty>Nothing unusual in this time.</Empty>
      ) : (
        <div>
          <div className="pattern-columns" aria-hidden="true">
            <span>Score</span>
            <span>Who, where and when</span>
            <span>Why, with each reason’s share of the score</span>
          </div>
          <ol className="patterns">
            {shown.map((pattern) => (
              <PatternItem key={pattern.id} pattern={pattern} />
            ))}
          </ol>
        </div>
      )}
      {patterns.length > SHOWN_AT_FIRST && (
        <button
          type="button"
          className="more"
          aria-expanded={all}
          onClick={() => setAll((shown) => !shown)}
        >
          {all ? 'Show fewer' : `Show all ${patterns.length}`}
        </button>
      )}
    </>
  )
}
