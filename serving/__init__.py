"""Gunicorn, adapted. It imports neither Django nor the settings, because gunicorn loads it before them."""
