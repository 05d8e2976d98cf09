import type { TestContext } from 'node:test'

export interface Time {
  /** Moves the clock of this whole process forward. */
  pass(seconds: number): void
  /** Seconds since the epoch. */
  now(): number
}

/**
 * Stops the calendar of this process, BFF, IdP and their libraries included, until the test ends:
 * it moves when told. Timers go on as ever. Start it before the gateway.
 */
export function freezeTime(t: TestContext): Time {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  return {
    pass: (seconds) => t.mock.timers.setTime(Date.now() + seconds * 1000),
    now: () => Math.floor(Date.now() / 1000),
  }
}
