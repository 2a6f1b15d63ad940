"""Other job queues on the same work as our own benchmark: what ``benchmarks/peers.py`` runs and prints."""
