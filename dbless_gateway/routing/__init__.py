"""Which route matches a request."""
