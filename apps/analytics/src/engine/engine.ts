/** A value bound to `{name: Type}` in a query. SQL is never built from input. */
export type Param = string | number | bigint | null | readonly string[] | readonly bigint[]
export type Params = Readonly<Record<string, Param>>

/**
 * A columnar store that speaks ClickHouse's SQL, embedded or far away. 64-bit integers come back as
 * strings: a JavaScript number would round them.
 */
export interface Engine {
  /** @throws EngineError */
  query<Row>(sql: string, params?: Params): Promise<Row[]>
  /**
   * Stored, flushed to disk included, when it resolves. Whole or not at all.
   *
   * @throws EngineError
   */
  insert(table: string, rows: readonly object[]): Promise<void>
  /**
   * A statement without an answer, for migrations.
   *
   * @throws EngineError
   */
  command(sql: string): Promise<void>
  /** Waits for what runs; further calls are refused. */
  close(): Promise<void>
}

/**
 * `slow`: the time limit was reached. `busy`: too many wait already. `failed`: anything else, the
 * reason in `cause`, for the log only.
 */
export class EngineError extends Error {
  readonly kind: 'slow' | 'busy' | 'failed'

  constructor(kind: 'slow' | 'busy' | 'failed', message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'EngineError'
    this.kind = kind
  }
}
