"""The certificate: a second, simpler way to say whether both sides of a connection hold the same.

It shares nothing with the engine and the stages of a run but what the provider reads and how a connection is opened;
setup.cfg forbids more. What it finds, `integrations verify` and the asset check `consistent` tell.
"""
