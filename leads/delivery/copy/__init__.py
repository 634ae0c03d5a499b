"""Copies leads through Supabase's REST API while Postgres itself is out of reach. Off unless SUPABASE_REST_COPY is on.

A full pool, a banned address, a changed password or a host without IPv6 keep the site from Postgres, and not from the
REST API, which has its own pool, port and login. So staff, and the shop's other tools, see new leads during the outage.

It is a copy: each lead stays in the journal until Postgres itself has confirmed it. The API inserts into `leads`, as it
does for any client, and a trigger that `manage.py migrate` creates (leads/ops/copy_trigger.py) puts the relay's own
statement in place of that insert. The insert alone would not do: PostgREST's `on_conflict` cannot name the indexes of
`leads`, which are of a part of the rows each; a second person would be refused; and a lead that is sent again would
bring an erased person back. With the one statement, a lead that comes twice, by either way and in any order, is the
same row.
"""
