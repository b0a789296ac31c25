"""Ray itself: the connection, the nodes, the environment."""
