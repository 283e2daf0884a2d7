"""Training of the released models; needs the `training` extra (torch)."""
