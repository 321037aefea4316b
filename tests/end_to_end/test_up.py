"""`thumbtune up`: the three processes of one machine, against a local workspace, with real vLLM."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.runs import list_running
from thumbtune.core.store import replicas
from thumbtune.demo.installation import build_environment, open_installation, read_settings
from thumbtune.demo.slack.server import ServerThread
from thumbtune.demo.workspace_client import WorkspaceClient

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600), pytest.mark.xdist_group("heavy")]

LIMIT_S = 240.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.2)


def test_up_runs_all_three_brings_back_what_is_killed_and_leaves_nothing(tmp_path: Path) -> None:
    with ServerThread() as slack, (tmp_path / "output.txt").open("wb") as output:
        client = WorkspaceClient(slack.base_url)
        env = build_environment(data_dir=tmp_path / "data", slack_url=slack.base_url, with_shop=True)
        store = open_installation(read_settings(env), threshold=1000, with_shop=True)
        command = [sys.executable, "-m", "thumbtune.cli.main", "up"]
        up = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=output, stderr=output)
        try:

            def is_ready() -> bool:
                with store.read() as conn:
                    healthy = any(item.healthy for item in replicas.list_replicas(conn, now=store.now()))
                return healthy and client.is_app_connected()

            wait_for(is_ready, "the bot's connection and vLLM's health")
            family = psutil.Process(up.pid).children(recursive=True)
            (bot,) = [process for process in family if process.cmdline()[-1:] == ["bot"]]
            bot.kill()
            wait_for(lambda: not client.is_app_connected(), "the end of the bot's connection")
            wait_for(client.is_app_connected, "the bot's return")
            family += psutil.Process(up.pid).children(recursive=True)
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0
            assert list_running(family) == []
        finally:
            up.kill()
            up.wait()
            client.close()
            store.engine.dispose()
    text = (tmp_path / "output.txt").read_text()
    assert "bot_started" in text
    assert env["SLACK_BOT_TOKEN"] not in text
