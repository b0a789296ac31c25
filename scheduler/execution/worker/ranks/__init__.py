"""The Ray actors of a worker: rank 0, its peers, and their rendezvous."""
