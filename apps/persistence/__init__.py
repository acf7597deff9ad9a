"""This module is an event store on NATS JetStream: events as content-addressed blocks, chains, snapshots, projections and operations.

It knows nothing of Django and can be used from any Python program; `docs/persistence.md` is its quickstart.
"""
