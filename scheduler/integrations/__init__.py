"""Other libraries that plug in, a file or folder each."""
