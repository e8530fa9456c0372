"""Entities compiled into what the hot path reads; immutable."""
