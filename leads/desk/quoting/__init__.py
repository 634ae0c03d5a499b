"""Quotes that staff make for customers, with the customers' own calculator, prices and record.

views: job, then offer with the customer and a discount, then the chat; job: what is quoted and what it replaces; forms:
what sellers type about the customer and the discount; sending: the record, and the chat with the quote's link. None of
it needs the database: in an outage a seller still quotes, as a customer does.
"""
