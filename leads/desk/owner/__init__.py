"""The owner's pages: prices and settings as a draft, its effect, publishing, history. They change quoter/shop."""
