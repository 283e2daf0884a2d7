"""NVIDIA's name space."""
