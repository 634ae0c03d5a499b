"""What staff arrange with a person: next step, outcome, hand-over, putting aside, joining two who are one."""
