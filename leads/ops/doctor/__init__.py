"""The doctor: checks this set-up, and prints for each check the state and what to do about a problem."""
