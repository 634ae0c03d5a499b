"""Who works here, by the owner: names, roles, and how each gets in."""
