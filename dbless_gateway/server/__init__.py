"""Processes: who listens, who reloads, who restarts."""
