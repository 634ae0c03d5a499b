"""The doctor: what is so with this set-up, line by line, and what to do where it is not well."""
