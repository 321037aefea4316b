"""The server as its own process: it starts, says where, and ends at once when told to."""

import re
import signal
import subprocess
import sys

import pytest

from tests.demo.slack.conftest import send_json


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_process_serves_at_the_printed_address_and_ends_cleanly(ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "thumbtune.demo.slack.server", "--port", "0", "--time-scale", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found
            assert send_json(f"{found[0]}/api/api.test")["ok"]
            assert send_json(f"{found[0]}/control/state")["pace"]["time_scale"] == 0.1
            process.send_signal(ending)
            assert process.wait(10) in (0, -ending)
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()
