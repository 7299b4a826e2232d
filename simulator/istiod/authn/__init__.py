"""Authentication: which mutual TLS and which tokens a proxy asks of those who send to it."""
