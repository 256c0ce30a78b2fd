"""Small datasets: tiles of photo and classes, where they come from, and why some are left out."""
