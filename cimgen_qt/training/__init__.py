"""How networks learn: what is asked for, the loop, what is kept of it."""
