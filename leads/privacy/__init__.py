"""Leads taken out and persons erased: the export, one person's data, purging."""
