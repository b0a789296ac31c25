"""Parts to build training code with; each can be used alone."""
