"""The part of delivery that is on this machine's disk."""
