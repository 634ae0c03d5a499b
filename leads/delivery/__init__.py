"""A lead's way from `record` to Postgres. Knows no model: the journal, the relay and the upsert work on JSON."""
