import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Logger } from '@audience-bridge/kit/log.ts'

/** Names what is below; a file of another one is not understood. */
const SCHEMA_VERSION = 2

/*
 * Records of some KB are in tables with row ids: a tree that holds them in its inner pages (WITHOUT
 * ROWID) would be several times as deep. What is found by its key alone and short has none.
 */
const SCHEMA = `
CREATE TABLE sessions (
  row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL, card BLOB NOT NULL,
  version INTEGER NOT NULL, fence INTEGER NOT NULL,
  created_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX sessions_seen ON sessions (seen_at);
CREATE TABLE session_keys (
  kind TEXT NOT NULL, hash TEXT NOT NULL,
  session INTEGER NOT NULL REFERENCES sessions (row) ON DELETE CASCADE,
  PRIMARY KEY (kind, hash, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_keys_session ON session_keys (session);
CREATE TABLE tokens (
  row INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions (row) ON DELETE CASCADE,
  service TEXT NOT NULL, sealed BLOB NOT NULL, expires_at INTEGER NOT NULL, fence INTEGER NOT NULL,
  UNIQUE (session, service)
) STRICT;
CREATE INDEX tokens_expiry ON tokens (expires_at);
CREATE TABLE leases (
  session INTEGER NOT NULL REFERENCES sessions (row) ON DELETE CASCADE, name TEXT NOT NULL,
  holder TEXT NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE logins (
  row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL, used INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX logins_expiry ON logins (expires_at);
CREATE TABLE once (key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX once_expiry ON once (expires_at);
CREATE TABLE documents (
  name TEXT PRIMARY KEY, sealed BLOB NOT NULL, version INTEGER NOT NULL
) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};
`

/**
 * The database at `path`, made if need be. What another version of this program has written there is
 * deleted: its users sign in again.
 */
export function openDatabase(path: string, log: Logger): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const found = connect(path)
  const version = versionOf(found)
  if (version === SCHEMA_VERSION) return found
  if (found.prepare('SELECT 1 FROM sqlite_schema').get() === undefined) return create(found)
  found.close()
  log.warn(
    { path, found: version, expected: SCHEMA_VERSION },
    'the session store was written by another version: it begins empty, and all users sign in again',
  )
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
  return create(connect(path))
}

/**
 * Survives restarts and `kill -9` (WAL, synced at checkpoints). 16 MB hold the inner pages of the
 * indexes of a few million sessions.
 */
function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  db.exec(`
    PRAGMA busy_timeout = 500; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -16000`)
  return db
}

const versionOf = (db: DatabaseSync) =>
  Number(db.prepare('PRAGMA user_version').get()?.user_version)

function create(db: DatabaseSync): DatabaseSync {
  db.exec(`BEGIN; ${SCHEMA} COMMIT`)
  return db
}
