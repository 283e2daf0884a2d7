"""One architecture per file, in PyTorch; nothing here is needed to serve."""
