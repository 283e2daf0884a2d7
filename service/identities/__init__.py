"""For sites whose workers stand elsewhere: what tells of the patient stays with the service."""
