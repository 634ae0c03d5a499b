"""What the site says of itself while it serves: a line and an id for each request, and numbers for Prometheus.

It imports no app, so that each of them may count and note here. Nothing in it is personal, and nothing in it can fail a
request.
"""
