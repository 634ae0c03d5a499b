"""Export and restore leads, export or erase one person's data, and purge old leads."""
