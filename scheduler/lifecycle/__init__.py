"""One sweep from its creation to its end: run, resume, edit, warm start, stop."""
