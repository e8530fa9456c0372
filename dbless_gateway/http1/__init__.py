"""HTTP/1.1 bytes to messages and back; knows no sockets and no configuration."""
