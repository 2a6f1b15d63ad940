"""Cron expressions as people would say them."""

from __future__ import annotations

import pytest

from quaero.calc.schedule_words import in_words


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("15 5 * * 1", "every Monday at 05:15"),
        ("*/10 * * * *", "every 10 minutes"),
        ("30 18 * * 1-5", "at 18:30 on weekdays"),
        ("30 18 * * mon-fri", "at 18:30 on weekdays"),
        ("0 10 * * 6,0", "at 10:00 on weekends"),
        ("0 12 * * *", "every day at 12:00"),
        ("0 5,17 * * *", "every day at 05:00 and 17:00"),
        ("0 0 * * 7", "every Sunday at 00:00"),
        ("0 8 * * 1,3,5", "every Monday, Wednesday and Friday at 08:00"),
        ("0 0 * * 5-7", "every Friday, Saturday and Sunday at 00:00"),
        ("0 6 * * 0-6", "every day at 06:00"),
        ("0 * * * *", "every hour"),
        ("0 */1 * * *", "every hour"),
        ("30 * * * *", "every hour at :30"),
        ("10,40 * * * *", "every hour at :10 and :40"),
        ("0 */2 * * *", "every 2 hours"),
        ("20 */2 * * *", "every 2 hours at :20"),
        ("0 9-17 * * 1-5", "every hour from 09:00 to 17:00 on weekdays"),
        ("*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:59"),
        ("*/10 * * * SAT", "every 10 minutes on Saturdays"),
        ("*/10 * * * SAT,SUN", "every 10 minutes on weekends"),
        ("*/10 * * * 1,4", "every 10 minutes on Mondays and Thursdays"),
        ("*/10 * * 6 *", "every 10 minutes in June"),
        ("0 * 29 2 *", "every hour on 29 February"),
        ("0 0 1 * *", "at 00:00 on the 1st of every month"),
        ("0 0 11,22 * *", "at 00:00 on the 11th and 22nd of every month"),
        ("0 0 29 2 *", "every year on 29 February at 00:00"),
        ("0 0 1 1,7 *", "at 00:00 on the 1st of January and July"),
        ("0 0 L * *", "at 00:00 on the last day of every month"),
        ("0 0 LW 12 *", "at 00:00 on the last weekday of December"),
        ("0 8 * * MON#1", "at 08:00 on the first Monday of the month"),
        ("0 8 * * 5L", "at 08:00 on the last Friday of the month"),
        ("0 0 * 6 *", "every day in June at 00:00"),
        ("0 10 * 3,6 MON", "every Monday in March and June at 10:00"),
    ],
)
def test_what_an_expression_means(cron: str, words: str) -> None:
    assert in_words(cron) == words


@pytest.mark.parametrize(
    "cron",
    [
        "5 4 1 * 1",
        "*/7 * * * *",
        "0 */5 * * *",
        "5-10 1 * * *",
        "0 0 1-7 * *",
        "0 0 */2 * *",
        "no cron",
        "",
        "a b c d e",
    ],
)
def test_what_would_be_long_or_wrong_stays_as_it_is(cron: str) -> None:
    assert in_words(cron) == cron
