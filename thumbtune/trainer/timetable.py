"""When a desk's clock lets runs start by themselves: quiet hours and months, in its time zone.

It does not know runs. Quiet hours are what the clock on the desk's wall shows: an hour that a change to daylight-saving
time skips is not waited for, and one that is repeated counts twice.
"""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from thumbtune.core.errors import BadInput

QuietHours = tuple[time, time]
"""From the first, up to and without the second; over midnight when the second is earlier."""


def read_quiet_hours(text: str) -> QuietHours:
    """Return the hours that a text such as `22:00-07:00` names.

    Raises: BadInput.
    """
    try:
        first, _, last = text.partition("-")
        hours = tuple(time.fromisoformat(part.strip()) for part in (first, last))
    except ValueError as exc:
        raise BadInput(f"quiet hours {text!r} cannot be read: write them like 22:00-07:00") from exc
    begin, end = hours
    if begin == end or begin.tzinfo or end.tzinfo:
        raise BadInput(f"quiet hours {text!r} need a beginning and another end by the local clock, like 22:00-07:00")
    return begin, end


def load_zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Raises: BadInput when this machine does not know it.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as exc:  # LookupError is ZoneInfoNotFoundError
        raise BadInput(
            f"time zone {name!r} is not known here: give an IANA name such as Europe/Berlin, or install tzdata"
        ) from exc


def is_quiet(now: datetime, quiet_hours: QuietHours, *, zone: ZoneInfo) -> bool:
    """Return whether the clock in this zone shows a time within the quiet hours."""
    begin, end = quiet_hours
    shown = now.astimezone(zone).time()
    return begin <= shown < end if begin < end else shown >= begin or shown < end


def begin_month(now: datetime, *, zone: ZoneInfo) -> datetime:
    """Return the moment at which the month began in this zone."""
    shown = now.astimezone(zone)
    return datetime(shown.year, shown.month, 1, tzinfo=zone).astimezone(UTC)
