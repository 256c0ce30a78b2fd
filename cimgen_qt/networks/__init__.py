"""Networks as torch modules, and nothing else: what a layer is, not how it learns."""
