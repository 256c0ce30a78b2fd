"""Ways to learn, one a file; the loop drives them all alike."""
