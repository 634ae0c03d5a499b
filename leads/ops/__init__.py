"""Tools for whoever runs the site: the doctor, Supabase, adopting a table, roles, the audit, demo leads."""
