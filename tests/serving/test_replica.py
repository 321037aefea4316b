import shutil
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.serving.conftest import API_KEY
from tests.serving.models import publish_random
from tests.tiny_base import AS_ASKED
from thumbtune.core.errors import AdapterError, AdapterNotLoaded, EngineUnavailable, PromptTooLong
from thumbtune.core.inference import InferenceClient, open_http_client
from thumbtune.core.prompt import ChatMessage
from thumbtune.serving.engine import Engine
from thumbtune.serving.replica import ReplicaServer

pytestmark = pytest.mark.xdist_group("heavy")

HELLO: list[ChatMessage] = [{"role": "user", "content": "Where is my order? 😀 \ud83d"}]


def test_loaded_adapter_answers_under_its_name(
    server: ReplicaServer, client: InferenceClient, good_adapter: Path, tiny_base: Path
) -> None:
    server.load_adapter(good_adapter.name, good_adapter)
    assert server.list_loaded() == {good_adapter.name: good_adapter}
    tuned = client.complete(HELLO, model=good_adapter.name, max_tokens=12)
    plain = client.complete(HELLO, model=tiny_base.name, max_tokens=12)
    assert tuned.model == good_adapter.name
    assert tuned.text != plain.text
    assert tuned.completion_tokens == 12
    assert tuned.finish_reason == "length"


def test_loading_twice_changes_nothing(server: ReplicaServer, good_adapter: Path) -> None:
    server.load_adapter(good_adapter.name, good_adapter)
    server.load_adapter(good_adapter.name, good_adapter)
    assert list(server.list_loaded()) == [good_adapter.name]


def test_taken_name_is_a_conflict(engine_url: str, server: ReplicaServer, good_adapter: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "adapters" / good_adapter.name
    shutil.copytree(good_adapter, elsewhere)
    server.load_adapter(good_adapter.name, good_adapter)
    with (
        ReplicaServer(engine_url, API_KEY, adapters_dir=elsewhere.parent) as other,
        pytest.raises(AdapterError, match="names are never reused"),
    ):
        other.load_adapter(good_adapter.name, elsewhere)
    assert server.list_loaded() == {good_adapter.name: good_adapter}


def test_unloaded_adapter_is_not_answered_for(
    server: ReplicaServer, client: InferenceClient, good_adapter: Path
) -> None:
    server.load_adapter(good_adapter.name, good_adapter)
    server.unload_adapter(good_adapter.name)
    server.unload_adapter(good_adapter.name)
    with pytest.raises(AdapterNotLoaded, match=good_adapter.name):
        client.complete(HELLO, model=good_adapter.name, max_tokens=4)


def test_higher_rank_than_reserved_is_refused_and_others_stay(
    server: ReplicaServer, adapters_dir: Path, good_adapter: Path, tiny_base: Path
) -> None:
    server.load_adapter(good_adapter.name, good_adapter)
    publish_random(adapters_dir, "large-0001", base=tiny_base, rank=32)
    with pytest.raises(AdapterError, match="rank"):
        server.load_adapter("large-0001", adapters_dir / "large-0001")
    assert list(server.list_loaded()) == [good_adapter.name]


@pytest.mark.parametrize("name", ["../good-0001", "Good-0001", "", "a" * 65, "good-0001/../x", "évil"])
def test_names_that_no_trainer_makes_never_reach_vllm(server: ReplicaServer, adapters_dir: Path, name: str) -> None:
    with pytest.raises(AdapterError, match="no adapter name"):
        server.load_adapter(name, adapters_dir / name)


def test_folders_elsewhere_and_links_never_reach_vllm(
    server: ReplicaServer, good_adapter: Path, adapters_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(good_adapter, tmp_path / "evil-0001")
    link = adapters_dir / "evil-0001"
    link.symlink_to(tmp_path / "evil-0001")
    for path in (tmp_path / "evil-0001", link, adapters_dir / "evil-0002", Path("evil-0001")):
        with pytest.raises(AdapterError, match="and no link"):
            server.load_adapter("evil-0001", path)
    link.unlink()
    assert server.list_loaded() == {}


def test_too_long_prompt_is_told_apart(client: InferenceClient, tiny_base: Path) -> None:
    for text, max_tokens in (("word " * 5000, 8), ("Where is my order? " * 250, 2000)):
        with pytest.raises(PromptTooLong):
            client.complete([{"role": "user", "content": text}], model=tiny_base.name, max_tokens=max_tokens)


def test_wrong_key_is_refused(engine_url: str, adapters_dir: Path, server: ReplicaServer) -> None:
    with (
        ReplicaServer(engine_url, "wrong", adapters_dir=adapters_dir) as stranger,
        pytest.raises(EngineUnavailable, match="refuses our key"),
    ):
        stranger.list_loaded()


def test_hung_engine_is_noticed_although_it_says_it_is_well(
    engine: Engine, server: ReplicaServer, tiny_base: Path
) -> None:
    assert engine.pid is not None
    family = psutil.Process(engine.pid).children(recursive=True)
    [core] = [process for process in family if process.name().startswith("VLLM::Engine")]
    assert server.check_progress(model=tiny_base.name, timeout_s=30)
    before = server.count_tokens()
    assert before is not None
    core.suspend()
    try:
        assert server.check_health()
        assert not server.check_progress(model=tiny_base.name, timeout_s=0.5)
        assert server.count_tokens() == before
    finally:
        core.resume()
    assert server.check_progress(model=tiny_base.name, timeout_s=30)
    after = server.count_tokens()
    assert after is not None and after > before


def test_prompt_has_a_fixed_date_and_no_thought_however_it_is_asked_for(
    server: ReplicaServer, client: InferenceClient, tiny_base: Path
) -> None:
    from transformers import AutoTokenizer

    messages: list[ChatMessage] = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert not server.reads_clock(messages, model=tiny_base.name)
    tokens = server.tokenize_prompt(messages, model=tiny_base.name)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    assert "01 Jan 2026" in tokenizer.decode(tokens)
    assert "<|think|>" not in tokenizer.decode(tokens)
    plain = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **AS_ASKED)
    assert list(tokens) == plain
    assert client.complete(messages, model=tiny_base.name, max_tokens=1).prompt_tokens == len(plain)


def test_context_of_the_base_is_known(server: ReplicaServer, tiny_base: Path) -> None:
    base = server.fetch_base()
    assert (base.name, base.max_model_len) == (tiny_base.name, 2048)


def test_key_does_not_guard_every_route_so_the_socket_must(engine_url: str, server: ReplicaServer) -> None:
    """vLLM 0.32 answers POST /adapters without a key: the reason why it listens on a private Unix socket only."""
    with open_http_client(engine_url, "no key", timeout_s=10) as stranger:
        assert stranger.get("/v1/models").status_code == httpx2.codes.UNAUTHORIZED
        answer = stranger.post("/adapters", json={"name": "evil", "src": "/nowhere"})
        assert answer.status_code != httpx2.codes.UNAUTHORIZED
    assert server.list_loaded() == {}
