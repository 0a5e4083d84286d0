"""The sandboxed Mailchimp: audiences, consent, merge fields, limits and its Marketing API 3.0, without sockets."""
