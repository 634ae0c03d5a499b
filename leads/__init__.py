"""Who asked and what was promised.

The folders in the order of a lead's life: `delivery` brings it to Postgres despite faults; staff answer it in the
`inbox`; `desk` counts it; `alerts` notifies staff of it; `staff` has their logins and their page during an outage;
`privacy` exports it and erases its person; `ops` has the tools for whoever runs the site. Every folder may use `models`
(every table), `snapshot` (the only reader of `quote_data`), `customer` (what a customer is asked, and how they are
found), `business_hours`, `errors`, `paging` and `phones`. Imports run one way; tests/site/test_layers.py checks it.
"""
