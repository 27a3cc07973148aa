"""Make and read datasets of one's own: their folders, descriptions and settings."""
