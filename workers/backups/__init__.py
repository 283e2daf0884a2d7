"""A whole server in a folder: made while it serves, verified, and put back."""
