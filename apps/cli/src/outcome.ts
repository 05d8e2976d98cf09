/** Exit codes of every verb. */
export const DONE = 0
export const FAULTS_FOUND = 1
export const COULD_NOT_RUN = 2

/** A verb that cannot go on; the message names the thing, the place and the mend. */
export class CouldNotRun extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = COULD_NOT_RUN) {
    super(message)
    this.name = 'CouldNotRun'
    this.exitCode = exitCode
  }
}
