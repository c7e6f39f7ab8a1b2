"""The server inside every Python function container."""
