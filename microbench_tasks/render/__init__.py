"""Render HTML pages, plots and micrographs: data in, HTML, figures or PNG files out."""
