"""The part of a lead's way that lies on this machine's disk."""
