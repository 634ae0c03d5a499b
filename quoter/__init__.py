"""Prices a job: the price book, measuring, pricing, the folio and the signed quote."""
