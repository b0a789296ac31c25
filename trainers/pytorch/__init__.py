"""All that needs torch: tensors in checkpoints, torch's seeds and switches, and the digits trainer."""
