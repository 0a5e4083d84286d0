"""E-mail as text: composing pitches, reading addresses, telling replies from bounces and machines. Pure."""
