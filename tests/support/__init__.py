"""What many tests use: servers, browsers, faults, and leads to work with."""
