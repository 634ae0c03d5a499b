"""What a job costs: price book, measuring, pricing, folio, and the signed quote."""
