"""The HTTP side: uploads become jobs, jobs become answers. No network runs here."""
