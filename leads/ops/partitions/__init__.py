"""Partitions of `leads` by month of the folio, for shops of tens of millions of leads. `manage.py partition_leads`.

A folio begins with its date, so a range of folios is a range of time, and the unique indexes that the upsert names have
the partitions' key in them. conversion.py makes the table a partitioned one, once; months.py adds partitions ahead.
docs/scale.md says when it is worth it, and what is different then.
"""
