"""The curl examples of docs/server.md, run against a server."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.web_kit import served

PAGE = Path(__file__).parents[2] / "docs" / "server.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_curl_examples_work_one_after_the_other(tmp_path):
    [script] = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    commands = script.replace("\\\n", "").splitlines()

    with served("sqlite", tmp_path) as api:
        url = str(api.client.base_url).rstrip("/")
        answers = []
        for command in commands:
            words = shlex.split(command.replace("$QUAERO", url))
            environment = {**os.environ, "no_proxy": "*"}
            done = subprocess.run(
                [*words, "--fail-with-body"], capture_output=True, text=True, env=environment, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stdout}"
            answers.append(done.stdout)

    assert json.loads(answers[1]) == {"id": 1}
    assert "event: end" in answers[2]
    assert json.loads(answers[3])["status"] == "completed"
    assert [run["id"] for run in json.loads(answers[4])["items"]] == [1]
    assert json.loads(answers[5])["items"]
    assert json.loads(answers[6])["status"] == "ok"
