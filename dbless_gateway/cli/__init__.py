"""What a person types: each command parses, calls one function, prints, returns a code."""
