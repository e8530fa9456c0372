"""Which target of an upstream gets a request."""
