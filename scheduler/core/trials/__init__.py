"""The nouns of the core: trials, assignments, outcomes, reports."""
