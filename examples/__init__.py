"""Applications that show the mapper at work."""
