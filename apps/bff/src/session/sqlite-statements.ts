import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** An empty `sealed` is a deleted token whose fence still holds. */
const STATEMENTS = {
  readSession:
    'SELECT sealed, version, created_at, seen_at, expires_at FROM sessions WHERE id = $id',
  insertSession: `
    INSERT INTO sessions (id, sealed, card, version, fence, created_at, seen_at, expires_at)
    VALUES ($id, $sealed, $card, 1, 0, $createdAt, $seenAt, $expiresAt)`,
  insertKey:
    'INSERT OR IGNORE INTO session_keys SELECT $kind, $hash, row FROM sessions WHERE id = $id',
  replaceSession: `
    UPDATE sessions SET sealed = $sealed, card = coalesce($card, card), version = version + 1
    WHERE id = $id AND version = $version`,
  touchSession: 'UPDATE sessions SET seen_at = $seenAt WHERE id = $id AND seen_at < $seenAt',
  deleteSession:
    'DELETE FROM sessions WHERE id = $id AND ($unseenSince IS NULL OR seen_at <= $unseenSince)',
  listSessions: `
    SELECT row, id, card, created_at, seen_at, expires_at FROM sessions
    WHERE row > $after ORDER BY row LIMIT $limit`,
  listSessionsByKey: `
    SELECT row, id, card, created_at, seen_at, expires_at
    FROM session_keys JOIN sessions ON sessions.row = session_keys.session
    WHERE kind = $kind AND hash = $hash AND session > $after ORDER BY session LIMIT $limit`,
  readListed: 'SELECT id, card, created_at, seen_at, expires_at FROM sessions WHERE id = $id',
  countSessions: 'SELECT count(*) AS count FROM sessions',
  readTokens: `
    SELECT service, tokens.sealed AS sealed FROM sessions JOIN tokens ON session = sessions.row
    WHERE id = $id AND length(tokens.sealed) > 0`,
  writeToken: `
    INSERT INTO tokens (session, service, sealed, expires_at, fence)
    SELECT row, $service, $sealed, $expiresAt, $fence FROM sessions WHERE id = $id
    ON CONFLICT DO UPDATE
    SET sealed = excluded.sealed, expires_at = excluded.expires_at, fence = excluded.fence
    WHERE excluded.fence >= fence`,
  deleteToken: `
    UPDATE tokens SET sealed = x''
    WHERE session = (SELECT row FROM sessions WHERE id = $id) AND service = $service`,
  acquireLease: `
    INSERT INTO leases SELECT row, $name, $holder, $until FROM sessions WHERE id = $id
    ON CONFLICT DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
    WHERE until_ms <= $now`,
  nextFence: 'UPDATE sessions SET fence = fence + 1 WHERE id = $id RETURNING fence',
  renewLease: `
    UPDATE leases SET until_ms = $until
    WHERE session = (SELECT row FROM sessions WHERE id = $id)
      AND name = $name AND holder = $holder AND until_ms > $now`,
  releaseLease: `
    DELETE FROM leases
    WHERE session = (SELECT row FROM sessions WHERE id = $id) AND name = $name AND holder = $holder`,
  insertLogin:
    'INSERT INTO logins (id, sealed, used, expires_at) VALUES ($id, $sealed, 0, $expiresAt)',
  readLogin: 'SELECT sealed, used FROM logins WHERE id = $id',
  useLogin: 'UPDATE logins SET used = 1 WHERE id = $id AND used = 0',
  useOnce: `
    INSERT INTO once VALUES ($key, $expiresAt)
    ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at WHERE expires_at <= $now`,
  readDocument: 'SELECT sealed, version FROM documents WHERE name = $name',
  insertDocument: 'INSERT OR IGNORE INTO documents VALUES ($name, $sealed, 1)',
  replaceDocument: `
    UPDATE documents SET sealed = $sealed, version = version + 1
    WHERE name = $name AND version = $version`,
  expireSessions: `
    DELETE FROM sessions WHERE row IN
      (SELECT row FROM sessions WHERE expires_at <= $now LIMIT $limit) RETURNING id`,
  expireIdle: `
    DELETE FROM sessions WHERE row IN
      (SELECT row FROM sessions WHERE seen_at <= $unseenSince LIMIT $limit) RETURNING id`,
  expireTokens: `
    DELETE FROM tokens WHERE row IN
      (SELECT row FROM tokens WHERE expires_at <= $now LIMIT $limit)`,
  expireLogins: `
    DELETE FROM logins WHERE row IN
      (SELECT row FROM logins WHERE expires_at <= $now LIMIT $limit)`,
  expireOnce: `
    DELETE FROM once WHERE key IN (SELECT key FROM once WHERE expires_at <= $now LIMIT $limit)`,
  ping: 'SELECT count(*) FROM sqlite_schema',
} as const

export type Statements = Record<keyof typeof STATEMENTS, StatementSync>

export function prepareStatements(db: DatabaseSync): Statements {
  const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)] as const)
  return Object.fromEntries(prepared) as Statements
}
