"""Each released model, from its source to the files that are served."""
