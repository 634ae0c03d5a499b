"""Who asked and what was promised.

The folders in the order of a lead's life: `delivery` brings it to Postgres, past any fault; staff answer it in the
`inbox`; `desk` counts it; `alerts` tells them of it; `staff` is who they are, and what they see in an outage; `privacy`
hands it out and takes its person away; `ops` is for whoever runs the site. Below them stand `models` (every table),
`snapshot` (the only reader of `quote_data`), `customer` (what a customer is asked), `business_hours`, `errors`,
`paging` and `phones`. Imports run one way; tests/site/test_layers.py holds it.
"""
