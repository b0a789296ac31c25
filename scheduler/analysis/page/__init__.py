"""The page that people show: one HTML file with the curves, the best configuration and its causes."""
