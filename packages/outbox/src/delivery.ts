import { type IngestResponse, ingestResponse } from '@audience-bridge/contracts/event.ts'

/** One attempt to hand a batch to the receiver, and what its answer means. */

export type Delivery =
  /** Stored; what is in `rejected` was not and never will be. */
  | { kind: 'stored'; response: IngestResponse }
  /** The token was refused: ask for another one. */
  | { kind: 'token_refused'; detail: string }
  /** The receiver will never take this body as it is; a part of it perhaps. */
  | { kind: 'body_refused'; detail: string }
  /** Nothing is known to be stored: try again later. */
  | { kind: 'retry'; detail: string; cause?: unknown }

export const BATCH_MEDIA_TYPE = 'application/cloudevents-batch+json'

/** Statuses that speak of this body, so that sending it again could only repeat them. */
const BODY_REFUSED = new Set([400, 413, 422])

export async function postBatch(
  url: string,
  token: string,
  body: string,
  signal: AbortSignal,
): Promise<Delivery> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': BATCH_MEDIA_TYPE },
      body,
      signal,
      // A redirect would carry the token to an address that nobody configured.
      redirect: 'manual',
    })
    return readAnswer(response.status, await response.text())
  } catch (cause) {
    return { kind: 'retry', detail: describe(cause), cause }
  }
}

/** Only a 200 that says what was stored is an acknowledgement; a login page or a proxy's is not. */
export function readAnswer(status: number, text: string): Delivery {
  const detail = `the receiver answered ${status}`
  if (status === 401) return { kind: 'token_refused', detail }
  if (BODY_REFUSED.has(status)) return { kind: 'body_refused', detail }
  if (status !== 200) return { kind: 'retry', detail }
  const parsed = ingestResponse.safeParse(parseJson(text))
  if (parsed.success) return { kind: 'stored', response: parsed.data }
  return { kind: 'retry', detail: 'the receiver answered 200 without saying what it stored' }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return 'the request failed'
  if (cause.name === 'TimeoutError') return 'the receiver did not answer in time'
  const inner = cause.cause
  if (inner instanceof Error && 'code' in inner) return `the request failed: ${String(inner.code)}`
  return `the request failed: ${cause.name}`
}
