"""``quaero doctor``: is everything in order here, and if not, what to do."""

from __future__ import annotations

from cyclopts import App

from quaero.cli import exits
from quaero.cli.session import Here, Json

app = App(name="doctor")


@app.default
def doctor(*, json: Json = False, session: Here) -> int:
    """Check the data folder, the database, settings, processes and keys. Exit code: 1 when something is wrong."""
    from quaero.cli.doctor_checks import all_checks
    from quaero.cli.output import console, write_json

    checks = list(all_checks(session))
    is_well = all(check.ok for check in checks)
    if json:
        write_json({"ok": is_well, "checks": checks})
    else:
        on = console()
        for check in checks:
            on.print(check.text())
    return exits.OK if is_well else exits.FAILED
