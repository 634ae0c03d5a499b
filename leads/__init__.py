"""Who asked, and what was promised."""
