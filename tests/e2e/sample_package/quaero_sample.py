"""A third party's worker: notes that wait for a file, fail while there is one, and tell all they know.

Uses only what ``quaero`` exports.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from pydantic import BaseModel

from quaero import BadData, JobContext, JobOutcome, Services, StepManager, Worker, draft


class Config(BaseModel, extra="forbid", frozen=True):
    """What a job definition may say about a ``sample_note`` step."""

    items: list[str] = ["one"]
    """One job for each."""
    wait_for: str = ""
    """Jobs end when this file is there."""
    fail_while: str = ""
    """While this file is there, the jobs of the items it lists fail."""
    is_stubborn: bool = False
    """Jobs that wait don't heed a request to stop."""
    token: str = ""


class Payload(BaseModel, frozen=True):
    key: str
    wait_for: str
    fail_while: str
    is_stubborn: bool
    token: str


def plan(config: Config) -> list[Payload]:
    return [Payload(key=item, **config.model_dump(exclude={"items"})) for item in config.items]


async def execute(job: JobContext, payload: Payload) -> JobOutcome:
    job.log.info("note.begun", item=payload.key, token=payload.token)
    logging.getLogger("sample").warning("the token is %s", payload.token)
    while payload.wait_for and not Path(payload.wait_for).exists():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            if not payload.is_stubborn:
                raise
    if payload.fail_while and _is_listed(payload):
        raise BadData(f"{payload.key} is broken, {payload.token}")
    note = draft(
        "sample_note",
        payload.key,
        title=f"Note {payload.key}",
        content=f"# Note {payload.key}\n\nWritten with {payload.token or 'nothing'}.\n",
        metadata={"token": payload.token},
    )
    return JobOutcome(
        documents=[note],
        by_identifier={payload.key: {"token": payload.token}},
        warnings=[f"used {payload.token}"] if payload.token else [],
    )


def _is_listed(payload: Payload) -> bool:
    listed = Path(payload.fail_while)
    return listed.exists() and payload.key in listed.read_text().split()


def register(steps: StepManager, services: Services) -> None:
    steps.add(
        Worker(
            "sample_note",
            Config,
            Payload,
            plan,
            execute,
            description="Notes that wait, fail and talk.",
            documents=("sample_note",),
        )
    )
