"""What stands in place of a forgotten person's user id, so that two of them stay two.

It does not know who they were.
"""

_PREFIX = "forgotten-"


def name_forgotten(digest: str) -> str:
    """Return the pseudonym of who has this keyed digest; it fits wherever a user id does."""
    return f"{_PREFIX}{digest[:20]}"


def is_pseudonym(user_id: str) -> bool:
    """Return whether this stands in place of someone who was forgotten."""
    return user_id.startswith(_PREFIX)
