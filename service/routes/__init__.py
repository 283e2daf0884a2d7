"""What each address answers, one noun a file."""
