"""What is valid and still suspicious: a configuration judged beyond what the gateway itself demands."""
