type Props = { label: string; value: string; note?: string; testId?: string; tone?: Tone }
type Tone = 'bad' | 'warn'

/** One figure with its name. A changed figure lights up once, so that the eye finds what moved. */
export function Tile({ label, value, note, testId, tone }: Props) {
  return (
    <div className="tile" data-tone={tone}>
      <dt>{label}</dt>
      <dd>
        <span key={value} className="tile-value" data-testid={testId}>
          {value}
        </span>
        {note !== undefined && <span className="tile-note">{note}</span>}
      </dd>
    </div>
  )
}
