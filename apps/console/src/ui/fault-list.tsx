import { readFaultLine } from '../fault-line.ts'
import { Copy } from './copy.tsx'

/** Faults of the configuration's files, a line each. */
export function FaultList({ lines }: { lines: readonly string[] }) {
  return (
    <ul className="faults">
      {lines.map((line) => {
        const { place, text, mend, code } = readFaultLine(line)
        return (
          <li key={line}>
            {place !== undefined && (
              <p className="fault-place">
                <code>{place}</code>
                <Copy value={place} what="the place" />
              </p>
            )}
            <p>
              {text} {code !== undefined && <code className="none">{code}</code>}
            </p>
            {mend !== undefined && (
              <p className="mend">
                <strong>To mend it:</strong> {mend}
              </p>
            )}
          </li>
        )
      })}
    </ul>
  )
}
