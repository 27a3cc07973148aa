"""The boxes of a response, in pixels of the image."""
