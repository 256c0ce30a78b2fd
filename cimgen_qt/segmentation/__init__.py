"""From image to map: classes of whole rasters, with how sure the model is."""
