"""Rules: what becomes of a series, decided by its header, its source and its geometry."""
