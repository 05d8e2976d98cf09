-- The evidence for least privilege: what each call needed, and what its token carried.
ALTER TABLE events
  -- As the service reported it: empty when it did not, "" (two quotes) when the call needed none.
  ADD COLUMN IF NOT EXISTS required_scope LowCardinality(String),
  -- Separated by spaces; empty: no token was sent.
  ADD COLUMN IF NOT EXISTS token_scopes LowCardinality(String),
  -- The service refused the call because the token lacks a scope.
  ADD COLUMN IF NOT EXISTS scope_refused Bool;
