"""What is drawn over the scene: one file a thing."""
