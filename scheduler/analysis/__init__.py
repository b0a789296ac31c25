"""Looks at a sweep and never writes into it: status, plan, preview, importance, page."""
