"""The spec: YAML and Python, checked field by field."""
