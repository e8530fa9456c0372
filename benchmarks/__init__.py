"""Measurements: not tests, and run by hand. README.md in this folder says how to read them."""
