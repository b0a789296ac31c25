"""Pure decisions: no clock, no I/O, no Ray, no torch, no global random state."""
