"""Quiet hours and months by the desk's own clock, also where the clock is changed."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbtune.core.errors import BadInput
from thumbtune.trainer.timetable import begin_month, is_quiet, load_zone, read_quiet_hours

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca", "UTC")
MINUTE = timedelta(minutes=1)

minutes = st.integers(0, 24 * 60 - 1).map(lambda number: time(number // 60, number % 60))
moments = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


def list_wall_minutes(day: datetime, begin: time, end: time) -> list[datetime]:
    """Return the minutes a clock may show from `begin` to `end`, of the quiet hours that begin on this day."""
    first = datetime.combine(day, begin)
    last = datetime.combine(day, end) + timedelta(days=end <= begin)
    return [first + number * MINUTE for number in range((last - first) // MINUTE)]


@given(st.sampled_from(ZONES), minutes, minutes, moments)
def test_quiet_is_every_moment_at_which_the_wall_clock_shows_a_quiet_minute(
    name: str, begin: time, end: time, now: datetime
) -> None:
    if begin == end:
        return
    zone, shown = ZoneInfo(name), now.astimezone(ZoneInfo(name)).replace(tzinfo=None, second=0, microsecond=0)
    days = [datetime.combine(shown.date(), time()) - timedelta(days=number) for number in (0, 1)]
    quiet_minutes = {minute for day in days for minute in list_wall_minutes(day, begin, end)}
    instants = {
        minute.replace(tzinfo=zone, fold=fold).astimezone(UTC) for minute in quiet_minutes & {shown} for fold in (0, 1)
    }
    assert is_quiet(now, (begin, end), zone=zone) is (now.replace(second=0, microsecond=0) in instants)


@given(st.sampled_from(ZONES), moments)
def test_month_begins_at_the_first_moment_of_its_first_day(name: str, now: datetime) -> None:
    zone = ZoneInfo(name)
    began = begin_month(now, zone=zone)
    shown, first = now.astimezone(zone), began.astimezone(zone)
    assert began <= now
    assert (first.year, first.month, first.day) == (shown.year, shown.month, 1)
    assert (began - MINUTE).astimezone(zone).month != shown.month


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        ("2026-03-29 00:59", False),  # 01:59, before the clock is put forward to 03:00
        ("2026-03-29 01:00", False),  # 03:00: 02:00 to 03:00 does not exist this night
        ("2026-10-25 00:30", True),  # 02:30, the first time
        ("2026-10-25 01:30", True),  # 02:30, the second time
        ("2026-10-25 02:00", False),  # 03:00
        ("2026-07-01 00:30", True),
        ("2026-01-01 01:30", True),
    ],
)
def test_hour_of_the_change_is_quiet_as_often_as_it_is_shown(at: str, quiet: bool) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert is_quiet(now, read_quiet_hours("02:00-03:00"), zone=BERLIN) is quiet


def test_night_is_quiet_from_the_evening_to_the_morning_by_the_local_clock() -> None:
    night = read_quiet_hours("22:00-07:00")
    assert night == (time(22), time(7))
    for day, hours in (("2026-01-15", (21, 6)), ("2026-07-15", (20, 5))):
        begin = datetime.fromisoformat(f"{day} {hours[0]}:00").replace(tzinfo=UTC)
        end = datetime.fromisoformat(f"{day} {hours[1]:02}:00").replace(tzinfo=UTC)
        assert [is_quiet(at, night, zone=BERLIN) for at in (begin - MINUTE, begin, end - MINUTE, end)] == [
            False,
            True,
            True,
            False,
        ]


@pytest.mark.parametrize("text", ["", "22:00", "22:00-22:00", "25:00-07:00", "22:00-07:00+01:00", "now-later"])
def test_hours_that_cannot_be_read_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="like 22:00-07:00"):
        read_quiet_hours(text)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe"])
def test_unknown_zone_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(BadInput, match="IANA name"):
        load_zone(name)
