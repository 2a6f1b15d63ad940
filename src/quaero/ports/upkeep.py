"""What is done to stored runs and documents after the fact: deleted, tagged anew, families of their errors looked past.

Part of a :class:`quaero.ports.jobs.JobTransaction`. Single statements over whole batches; the rules are in
``quaero.queue``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Upkeep(Protocol):
    """The part of a transaction that deletes and mends."""

    # runs
    def open_reruns(self, run_id: int) -> list[int]:
        """Open runs that still take over from this one."""
        ...

    def open_of_root(self, root_id: int) -> list[int]:
        """Open runs that belong to this root."""
        ...

    def delete_runs(self, run_ids: Sequence[int]) -> None:
        """These runs and their steps are gone at once; what lies below the steps is left to :meth:`sweep`."""
        ...

    def sweep(self, limit: int) -> bool:
        """Delete up to ``limit`` worker jobs and links of deleted runs; True when there may be more."""
        ...

    # families of errors; the empty one is that of errors without a family
    def failed_in_family(self, run_id: int, family: str) -> Mapping[int, int]:
        """Step -> its failed worker jobs of this family, where it has any."""
        ...

    def retry_family(self, run_id: int) -> str | None:
        """The family whose jobs this retry makes anew; None: all."""
        ...

    def set_retry_family(self, run_id: int, family: str) -> None: ...
    def ignore_family(self, run_id: int, family: str, by: str) -> bool:
        """False: it is ignored already."""
        ...

    def heed_family(self, run_id: int, family: str) -> bool:
        """Ignored no more; False: it was not."""
        ...

    # documents
    def delete_documents(self, ids: Sequence[str]) -> list[str]:
        """With revisions, lineage, tags, links to runs and their place in the search index; returns those found."""
        ...

    def retag_documents(self, ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> list[str]:
        """Returns the documents found, changed or not. Raises BadData for a tag that can't be one."""
        ...
