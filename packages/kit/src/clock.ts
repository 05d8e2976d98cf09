/** Seconds since the epoch, whole. Injected wherever time decides something. */
export type Clock = () => number

export const systemClock: Clock = () => Math.floor(Date.now() / 1000)
