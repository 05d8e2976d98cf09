import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isSafeMethod } from '../session/csrf.ts'
import type { Exchange } from './exchange.ts'

/** What was asked last on a connection, and what last of all that changes something. */
const ASKED = new WeakMap<
  Socket,
  { last: ServerResponse; lastUnsafe: ServerResponse | undefined }
>()

/**
 * Requests that were sent ahead come all at once. Those that only read are worked on together; one
 * that changes something waits for all before it, and all behind it wait for it (RFC 9112 §9.3.2):
 * "read, then delete" must not become "delete, then read".
 */
export function inTurn({ method, req, res }: Exchange, run: () => void): void {
  const before = ASKED.get(req.socket)
  const safe = isSafeMethod(method)
  ASKED.set(req.socket, { last: res, lastUnsafe: safe ? before?.lastUnsafe : res })
  const first = safe ? before?.lastUnsafe : before?.last
  if (first === undefined || first.closed) return run()
  first.once('close', () => {
    if (!res.destroyed && !req.socket.destroyed) run()
  })
}
