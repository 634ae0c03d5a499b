"""What things cost and how it is said: plain Python, without Django and without a clock."""
