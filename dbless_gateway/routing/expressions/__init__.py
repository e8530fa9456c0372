"""The expressions language: ``http.path ^= "/api" && http.method == "GET"``."""
