"""Google's People API on loopback: contacts, contact groups, sync tokens, etags."""
