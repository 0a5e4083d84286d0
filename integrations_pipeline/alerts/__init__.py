"""Alerts: people are told of what needs them, once for each change, wherever they want to hear of it.

Belongs here: deciding, wording and sending. Does not: statements (`store.alerts`, `store.deliveries`), when this is
called (`orchestration.alerts`, `cli.alerts`).
"""
