"""What the left mouse button does on the canvas: one file a tool."""
