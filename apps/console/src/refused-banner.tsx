import type { Config } from './api/admin.ts'
import { formatMoment, formatPlural } from './format.ts'
import { FaultList } from './ui/fault-list.tsx'
import { WarningIcon } from './ui/icons.tsx'

/** The files are newer than what is in force, and cannot be taken: the first thing to know. */
export function RefusedBanner({ config: { version, loaded_at: at, faults } }: { config: Config }) {
  return (
    <section className="refused" aria-labelledby="refused-title" data-testid="refused">
      <div className="refused-head" role="alert">
        <WarningIcon />
        <div>
          <h2 id="refused-title">
            The files on disk are refused: {formatPlural(faults.length, 'fault')}
          </h2>
          <p>
            Version <code>{version}</code>, read {formatMoment(at, Date.now())}, stays in force.
            Nothing of the change is taken until every fault is mended.
          </p>
        </div>
      </div>
      <FaultList lines={faults} />
    </section>
  )
}
