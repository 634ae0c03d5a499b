"""Tools for operators: the doctor, Supabase, adopting a table, roles, the audit of quotes, demo leads."""
