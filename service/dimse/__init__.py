"""DIMSE (PS3.7): objects received by C-STORE, and committed to."""
