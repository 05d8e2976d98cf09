import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  AlreadyConsumed,
  type ModelAdapter,
  type ModelStore,
  type StoredModel,
  type StoreOptions,
} from './adapter.ts'

/*
 * All models in one SQLite table, in WAL mode. Expired rows are invisible at once and removed a few
 * at a time by every write, through an index: there is no sweep that could stop the process.
 * `synchronous = NORMAL` may lose the last moments on a power cut, never on a crash of the process.
 */

const SWEEP_ROWS = 20

/** Kinds whose id is a credential: only its hash is stored, so a copied file opens nothing. */
const CREDENTIALS = new Set(['RefreshToken', 'AuthorizationCode', 'PushedAuthorizationRequest'])

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS models (
    model TEXT NOT NULL,
    id TEXT NOT NULL,
    payload TEXT NOT NULL,
    grant_id TEXT,
    uid TEXT,
    user_code TEXT,
    uses INTEGER NOT NULL DEFAULT 0,
    used_at REAL,
    expires_at REAL,
    PRIMARY KEY (model, id)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS models_by_grant ON models (grant_id, model) WHERE grant_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS models_by_uid ON models (uid, model) WHERE uid IS NOT NULL;
  CREATE INDEX IF NOT EXISTS models_by_code ON models (user_code, model) WHERE user_code IS NOT NULL;
  CREATE INDEX IF NOT EXISTS models_by_expiry ON models (expires_at) WHERE expires_at IS NOT NULL;
`

/** @throws Error naming the file when it cannot be opened. */
export function openSqliteStore(path: string, options: StoreOptions): ModelStore {
  const database = open(path)
  const statements = prepare(database)

  const adapter = (model: string, reuseSeconds = 0): ModelAdapter => {
    const keyOf = (id: string) =>
      CREDENTIALS.has(model) ? createHash('sha256').update(id).digest('base64url') : id

    const revive = (row: Record<string, unknown> | undefined, id?: string) => {
      if (row === undefined) return undefined
      const stored = JSON.parse(String(row.payload)) as StoredModel
      if (id !== undefined && CREDENTIALS.has(model)) stored.jti = id
      const uses = Number(row.uses)
      const inGrace = uses === 1 && Number(row.used_at) >= options.now() - reuseSeconds
      if (uses > 0 && !(reuseSeconds > 0 && inGrace))
        stored.consumed = Math.floor(Number(row.used_at))
      return stored
    }

    return {
      async upsert(id, payload, expiresIn) {
        const now = options.now()
        const { jti, ...anonymous } = payload
        const stored = CREDENTIALS.has(model) ? anonymous : { ...anonymous, jti }
        statements.upsert.run({
          model,
          id: keyOf(id),
          payload: JSON.stringify(stored),
          grant_id: payload.grantId ?? null,
          uid: payload.uid ?? null,
          user_code: payload.userCode ?? null,
          expires_at: expiresIn === undefined ? null : now + expiresIn,
        })
        statements.sweep.run({ now, limit: SWEEP_ROWS })
      },
      async find(id) {
        return revive(statements.find.get({ model, id: keyOf(id), now: options.now() }), id)
      },
      async findByUid(uid) {
        return revive(statements.findByUid.get({ model, uid, now: options.now() }))
      },
      async findByUserCode(code) {
        return revive(statements.findByUserCode.get({ model, code, now: options.now() }))
      },
      async consume(id) {
        const now = options.now()
        const { changes } = statements.consume.run({
          model,
          id: keyOf(id),
          now,
          most: reuseSeconds > 0 ? 2 : 1,
          since: now - reuseSeconds,
        })
        // The attack: two requests that present one code at the same moment, both of which found it unused.
        if (Number(changes) === 0) throw new AlreadyConsumed()
      },
      async destroy(id) {
        statements.destroy.run({ model, id: keyOf(id) })
      },
      async revokeByGrantId(grantId) {
        statements.revoke.run({ model, grant: grantId })
      },
    }
  }
  return {
    adapter,
    ofAccount(model, account) {
      const rows = statements.ofAccount.all({ model, account, now: options.now() })
      return rows.map(({ payload }) => JSON.parse(String(payload)) as StoredModel)
    },
    claim(id, expiresAt) {
      const now = options.now()
      const row = { model: 'Claim', id: createHash('sha256').update(id).digest('base64url') }
      const { changes } = statements.claim.run({ ...row, now, expires_at: expiresAt })
      statements.sweep.run({ now, limit: SWEEP_ROWS })
      return Number(changes) === 1
    },
    close: () => database.close(),
  }
}

function open(path: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const database = new DatabaseSync(path)
    chmodSync(path, 0o600)
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;',
    )
    database.exec(SCHEMA)
    return database
  } catch (cause) {
    throw new Error(`cannot open the IdP's store ${path}`, { cause })
  }
}

function prepare(database: DatabaseSync) {
  const living = '(expires_at IS NULL OR expires_at > :now)'
  return {
    upsert: database.prepare(`
      INSERT INTO models (model, id, payload, grant_id, uid, user_code, expires_at)
      VALUES (:model, :id, :payload, :grant_id, :uid, :user_code, :expires_at)
      ON CONFLICT (model, id) DO UPDATE SET
        payload = excluded.payload, grant_id = excluded.grant_id, uid = excluded.uid,
        user_code = excluded.user_code, expires_at = excluded.expires_at`),
    claim: database.prepare(`
      INSERT INTO models (model, id, payload, expires_at) VALUES (:model, :id, '', :expires_at)
      ON CONFLICT (model, id) DO UPDATE SET expires_at = excluded.expires_at
        WHERE models.expires_at <= :now`),
    sweep: database.prepare(`
      DELETE FROM models WHERE (model, id) IN
        (SELECT model, id FROM models WHERE expires_at <= :now LIMIT :limit)`),
    find: database.prepare(
      `SELECT payload, uses, used_at FROM models WHERE model = :model AND id = :id AND ${living}`,
    ),
    findByUid: database.prepare(
      `SELECT payload, uses, used_at FROM models WHERE uid = :uid AND model = :model AND ${living}`,
    ),
    findByUserCode: database.prepare(
      `SELECT payload, uses, used_at FROM models
       WHERE user_code = :code AND model = :model AND ${living}`,
    ),
    ofAccount: database.prepare(
      `SELECT payload FROM models
       WHERE model = :model AND payload ->> '$.accountId' = :account AND ${living}`,
    ),
    consume: database.prepare(`
      UPDATE models SET uses = uses + 1, used_at = coalesce(used_at, :now)
      WHERE model = :model AND id = :id
        AND (uses = 0 OR (uses < :most AND used_at >= :since))`),
    destroy: database.prepare('DELETE FROM models WHERE model = :model AND id = :id'),
    revoke: database.prepare('DELETE FROM models WHERE grant_id = :grant AND model = :model'),
  }
}
