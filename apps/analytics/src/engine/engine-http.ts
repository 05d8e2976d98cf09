import { createClient } from '@clickhouse/client'
import { createClientEngine } from './client-engine.ts'
import { type Engine, EngineError } from './engine.ts'

/**
 * A ClickHouse server or cluster. Several analytics processes may write to it, and two of them may
 * store one event at the same moment; `final` makes every read see it once.
 *
 * @param url with credentials and database when it needs them.
 * @throws EngineError when it does not answer.
 */
export async function openServer(url: string): Promise<Engine> {
  const client = createClient({
    url,
    max_open_connections: 16,
    request_timeout: 60_000,
    // Keys are looked up in thousands: too many for a URL.
    use_multipart_params: true,
  })
  const answer = await client.ping({ select: true })
  if (!answer.success) {
    await client.close()
    const { origin } = new URL(url)
    throw new EngineError('failed', `the ClickHouse server ${origin} does not answer`, answer.error)
  }
  return createClientEngine({ writer: client, readers: [client], readSettings: { final: 1 } })
}
