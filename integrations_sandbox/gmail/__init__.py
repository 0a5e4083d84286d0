"""The sandboxed Gmail: mailboxes, the mail between them and the world outside, limits and the API, without sockets."""
