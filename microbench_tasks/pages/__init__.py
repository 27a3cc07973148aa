"""HTML pages that stand alone: tables that sort, pictures inside, nothing fetched."""
