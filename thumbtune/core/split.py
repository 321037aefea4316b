"""Decides which threads are held out: by a hash of the thread, so that the answer for one share never changes.

It does not know pairs or runs.
"""

import hashlib


def is_held_out(team_id: str, channel_id: str, thread_ts: str, *, share: float) -> bool:
    """Return whether this thread belongs to the held-out set when `share` (0 to 1) of all threads do."""
    digest = hashlib.sha256(f"held-out\x1f{team_id}\x1f{channel_id}\x1f{thread_ts}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
