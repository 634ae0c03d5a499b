"""What the owner changes without a deploy: published versions, kept in Postgres and served from each machine's disk.

version.py       a version, and which of several is in force
shelf.py         the file on a machine's disk that has the versions to serve
models.py        the table of all versions that were ever published
publishing.py    checks and publishes, goes back, withdraws
carrying.py      carries versions from Postgres to the disk; one process of a machine does it, every two seconds
draft.py         what owners have typed and not published
details.py       the shop's settings; values.py reads them for a request
table/           a price book as cells and rows that owners change
served.py        what this process serves, read from the disk; every process looks once a second

A customer's request asks `served.current()`, an object in memory, and sees the same one from its beginning to its end.
"""
