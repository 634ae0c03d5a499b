"""Who asked and what was promised.

The folders in the order of a lead's life: `delivery` brings it to Postgres, past any fault; staff answer it in the `inbox`,
`alerts` tells them of it, `desk` counts it, `staff` is who they are and what they see in an outage; `privacy` hands it out
and takes its person away; `ops` is for whoever runs the site. Below them `models` (every table), `business_hours`, `errors`,
`paging` and `phones`. Imports run one way; a test holds it.
"""
