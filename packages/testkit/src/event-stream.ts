/** One server-sent event, its data parsed. */
export interface StreamEvent {
  name: string
  data: Record<string, unknown>
}

/** Reads server-sent events as they come; comments are counted as `beats`. */
export class EventReader {
  readonly events: StreamEvent[] = []
  beats = 0
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>
  #read = 0
  #wake = Promise.withResolvers<void>()

  constructor({ body }: Response) {
    if (body === null) throw new Error('no stream')
    this.ended = this.#consume(body).catch(() => {})
  }

  /** The next event of this name; what came before it is passed over. */
  async next(name: string, timeoutMs = 10_000): Promise<StreamEvent['data']> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const woken = this.#wake.promise
      while (this.#read < this.events.length) {
        const event = this.events[this.#read++]
        if (event?.name === name) return event.data
      }
      const left = deadline - performance.now()
      const late = Promise.withResolvers<never>()
      const names = () => this.events.map((event) => event.name).join(', ')
      const timer = setTimeout(
        () => late.reject(new Error(`no event "${name}" in ${timeoutMs} ms; came: ${names()}`)),
        left,
      )
      await Promise.race([woken, late.promise]).finally(() => clearTimeout(timer))
    }
  }

  async #consume(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of body) {
      text += decoder.decode(chunk, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) this.#take(block)
      this.#wake.resolve()
      this.#wake = Promise.withResolvers()
    }
  }

  #take(block: string): void {
    if (block.startsWith(':')) this.beats++
    const name = /^event: (.*)$/m.exec(block)?.[1]
    const data = /^data: (.*)$/m.exec(block)?.[1]
    if (name !== undefined && data !== undefined) this.events.push({ name, data: JSON.parse(data) })
  }
}
