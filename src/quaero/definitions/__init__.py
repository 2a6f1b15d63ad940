"""TOML text -> ``JobDefinition``, every finding at its place. Knows no worker: it is handed their config models."""
