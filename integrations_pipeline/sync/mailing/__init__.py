"""The mailbox's job of a run: take in what came, then send what is due."""
