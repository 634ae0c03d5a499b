"""Telling people who are not looking: of leads that came, of leads without an answer, and that telling still works."""
