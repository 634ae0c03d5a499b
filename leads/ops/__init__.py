"""What whoever runs the site needs: the doctor, Supabase, an adopted table, roles, the audit, demo leads."""
