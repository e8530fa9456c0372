"""The Admin and Status APIs, over plain values only."""
