"""The figures for managers, kept by day."""
