import type { SessionStore } from './store.ts'

/** The store did not answer: a 503, never "you have no session". */
export class StoreUnavailable extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : 'the session store failed', { cause })
    this.name = 'StoreUnavailable'
  }
}

/** Tells failures of the store from all others. */
export function guardStore(
  store: SessionStore,
  failed: (operation: string) => void = () => {},
): SessionStore {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function' || name === 'watch') return method
      return async (...args: unknown[]) => {
        try {
          return await method.apply(target, args)
        } catch (cause) {
          failed(String(name))
          throw new StoreUnavailable(cause)
        }
      }
    },
  })
}
