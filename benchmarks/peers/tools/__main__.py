"""One run: ``TOOL drain|fanout|latency SIZE`` measures; ``TOOL worker`` executes jobs until it is told to stop."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from . import measuring
from .tool import Tool

tool: Tool = import_module(f"{__package__}.{sys.argv[1]}").TOOL
if sys.argv[2] == "worker":
    tool.work()
else:
    print(json.dumps(measuring.WORKS[sys.argv[2]](tool, int(sys.argv[3]))))
