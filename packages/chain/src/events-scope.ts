/** With this scope, of its client's own, the BFF delivers its events to `events.service`. */
export const EVENTS_SCOPE = 'api.write'
