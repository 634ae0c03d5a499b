"""The doctor: examines this set-up, and says line by line what it found and what to do about it."""
