"""A price book as a table that an owner reads and changes. Plain Python, and no trade.

rows.py       a document whose rows have keys, so that a path means the same row when others come and go
cells.py      every cell of a document: a number, a text, a day or a choice
edits.py      changes, new rows and removed ones, applied to a document
numbers.py    numbers as people write them
pasted.py     quantities and prices copied from a spreadsheet
examples.py   what a book's examples come to
toml.py       writes TOML
"""
