"""The same work for each tool. These modules run in the tool's own environment and import nothing of Quaero.

``python -m peers.tools TOOL WORK SIZE`` prints a run's figures as JSON; ``PEER_FOLDER`` names its folder, ``PEER_URL``
its store and ``PEER_VARIANT`` its variant.
"""
