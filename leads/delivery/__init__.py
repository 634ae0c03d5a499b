"""A lead's way from `record` to Postgres. Knows no model: the journal, the courier and the upsert work on JSON."""
