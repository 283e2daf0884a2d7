"""Who may do what over HTTP: keys and tokens, roles, rates. Nothing is open by itself."""
