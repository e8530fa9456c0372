"""What outlives a snapshot: everything that a worker has learned."""
