"""Networks: MLP, CNN, residual network, transformer."""
