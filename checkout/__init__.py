"""Turns a quote into a chat."""
