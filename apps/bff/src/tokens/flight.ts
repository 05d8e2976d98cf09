/** Shares one run among all who ask for the same key while it is under way. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>()

  run(key: string, start: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const started = start().finally(() => this.#running.delete(key))
    this.#running.set(key, started)
    return started
  }
}

/** Runs tasks of one key one after the other, whatever each of them ends with. */
export class Queue {
  readonly #tails = new Map<string, Promise<unknown>>()

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const running = before.then(task, task)
    this.#tails.set(key, running)
    const forget = () => {
      if (this.#tails.get(key) === running) this.#tails.delete(key)
    }
    running.then(forget, forget)
    return running
  }
}
