"""The page's unit tests: store, protocol, filters, tree, router."""

from __future__ import annotations

import pytest

from tests import page_tools


@pytest.mark.timeout(300)  # the first time npm installs
def test_the_pages_unit_tests_pass():
    with page_tools.wanted():
        ended = page_tools.run("vitest", "run", "--reporter=dot")

    assert ended.returncode == 0, ended.stdout
