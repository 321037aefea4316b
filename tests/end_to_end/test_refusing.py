"""A demo whose processes will not start says so soon, and in their words."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.end_to_end.runs import start_demo
from thumbtune.demo.loop import BOT_TIMEOUT_S

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300), pytest.mark.xdist_group("heavy")]


def test_processes_that_keep_refusing_end_the_demo_with_their_reason(tmp_path: Path) -> None:
    with start_demo(tmp_path, "--headless") as demo:
        demo.wait_started()
        with demo.store.write() as conn:
            conn.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        assert demo.process.wait(BOT_TIMEOUT_S) == 1
        said = demo.output_path.read_text()
        for name in ("bot", "trainer", "serving"):
            assert f"{name}: • the store is at 0001 revision" in said, demo.describe()
        assert str(demo.data_dir / "logs") in said
