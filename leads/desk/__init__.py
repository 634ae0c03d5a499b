"""The figures on the managers' desk, counted by day."""
