"""Logs say what happened and where, never what someone wrote."""

import io
import logging
import sys

import pytest

from thumbtune.core.logs import configure_logs, hide_text

TEXT = "maya's new address"


@pytest.mark.parametrize("form", ["text", "json"])
def test_error_is_logged_by_kind_and_place_without_what_it_quotes(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logs(process="bot", form="json" if form == "json" else "text")
        try:
            quote_text()
        except RuntimeError as exc:
            logging.getLogger("thumbtune.test").error("loop_failed", exc_info=hide_text(exc))
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert TEXT not in output.getvalue()
    assert all(word in output.getvalue() for word in ("loop_failed", "RuntimeError", "quote_text"))


def quote_text() -> None:
    try:
        int(TEXT)
    except ValueError as exc:
        raise RuntimeError(f"cannot read {TEXT}") from exc
