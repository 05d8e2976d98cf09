-- Every event, whatever its type, in one table: an insert into one table is whole or not at all,
-- and the key that makes ingest idempotent is stored in the same step as what it stands for.
-- Not partitioned: one batch with times of a hundred months would be refused for its many parts.
CREATE TABLE events (
  -- The first 16 bytes of SHA-256 over source and id.
  key UInt128,
  type Enum8('access' = 1, 'decision' = 2, 'workflow' = 3),
  time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  source String CODEC(ZSTD(1)),
  id String CODEC(ZSTD(1)),
  -- The user's sub; empty for anonymous requests.
  subject String CODEC(ZSTD(1)),
  roles Array(LowCardinality(String)),
  service LowCardinality(String),
  route_id LowCardinality(String),
  method LowCardinality(String),
  path String CODEC(ZSTD(1)),
  status UInt16,
  elapsed_ms Nullable(Float64),
  -- Access: the machine or resource. Decision: the type of the resource.
  resource String CODEC(ZSTD(1)),
  resource_id String CODEC(ZSTD(1)),
  decision LowCardinality(String),
  action LowCardinality(String),
  reason String CODEC(ZSTD(1)),
  workflow LowCardinality(String),
  workflow_id String CODEC(ZSTD(1)),
  -- Empty: the event is about the run as a whole.
  step LowCardinality(String),
  run_status LowCardinality(String),
  error String CODEC(ZSTD(1)),
  correlation_id String CODEC(ZSTD(1)),
  -- Planted by the demo's generator. No query that answers a user reads it.
  label LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (type, time, key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
