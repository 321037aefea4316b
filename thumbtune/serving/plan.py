"""Decides how vLLM is started on this machine: its command line and its environment.

It starts nothing and knows no adapters. Every flag is one that the installed vLLM documents; secrets travel in the
environment, because a command line can be read by every user of the host.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from thumbtune.core.base_model import find_base, fit_context, name_base
from thumbtune.core.errors import ConfigError
from thumbtune.core.manifest import SERVABLE_RANKS, load_template
from thumbtune.core.processes import drop_secrets
from thumbtune.core.prompt import CLOCK
from thumbtune.core.settings import Settings

TEMPLATE_NAME = "chat_template.jinja"

CPU_REPLIES_AT_ONCE = 16
"""Replies that vLLM writes in one batch on a CPU; further ones wait. A GPU decides by itself."""

MAX_SOCKET_PATH = 100
"""Longest path of a Unix socket we use; Linux allows 107 bytes."""


@dataclass(frozen=True)
class EnginePlan:
    """Everything needed to start one vLLM."""

    base_model: str
    """Path or hub name, as configured."""
    base_name: str
    base_dir: Path | None
    """Where the base model's files lie on this machine, when that is known."""
    socket_path: Path
    log_path: Path
    api_key: str = field(repr=False)
    on_gpu: bool
    max_model_len: int
    max_loras: int
    max_cpu_loras: int
    max_lora_rank: int
    gpu_memory_share: float
    start_timeout_s: float
    threads: int
    template_path: Path | None
    """File of the chat template, where the base's own must not be used as it is."""

    @property
    def url(self) -> str:
        """The address for `core.inference`."""
        return f"unix:{self.socket_path}"


def plan_engine(
    settings: Settings,
    *,
    api_key: str,
    socket_path: Path,
    ranks: Iterable[int] = (),
    on_gpu: bool | None = None,
    template_path: Path | None = None,
) -> EnginePlan:
    """Return the plan for this machine.

    `ranks` are those of adapters that exist already and must fit; `template_path` is what `write_template` returned.
    """
    base_dir = find_base(settings.base_model)
    return EnginePlan(
        base_model=settings.base_model,
        base_name=name_base(settings.base_model),
        base_dir=base_dir,
        socket_path=socket_path,
        log_path=settings.logs_dir / "vllm.log",
        api_key=api_key,
        on_gpu=detect_gpu() if on_gpu is None else on_gpu,
        max_model_len=_fit_context(settings.max_model_len, base_dir),
        max_loras=settings.max_loras,
        max_cpu_loras=settings.max_cpu_loras,
        max_lora_rank=_fit_rank(max([settings.train_rank, *ranks])),
        gpu_memory_share=settings.gpu_memory_share,
        start_timeout_s=settings.engine_start_timeout_s,
        threads=max(1, len(os.sched_getaffinity(0)) - 1),
        template_path=template_path,
    )


def write_template(base_dir: Path | None, *, data_dir: Path) -> Path | None:
    """Write the chat template that vLLM must be given into the data folder; None when the base's own will do."""
    if base_dir is None or CLOCK not in (template := load_template(base_dir)):
        return None
    path = data_dir.resolve() / TEMPLATE_NAME
    path.write_text(template, encoding="utf-8")
    return path


def build_command(plan: EnginePlan) -> list[str]:
    """Return the command that starts vLLM's OpenAI server.

    The module is started and not the `vllm` script, which fails in the CPU build. Request logging stays off, which is
    vLLM's default: prompts are customer text. On the CPU the engine computes in its own process instead of a third
    one: with one process less it starts in 16 s instead of 36 s on 2 cores and takes 0.5 GB less. Its LoRA there is ours,
    since its own mixes up adapters and base in a batch (see `cpu_worker`).
    """
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", plan.base_model, "--served-model-name", plan.base_name, "--uds", str(plan.socket_path)]
    command += ["--max-model-len", str(plan.max_model_len), "--disable-uvicorn-access-log"]
    command += ["--enable-lora", "--max-loras", str(plan.max_loras), "--max-cpu-loras", str(plan.max_cpu_loras)]
    command += ["--max-lora-rank", str(plan.max_lora_rank)]
    if plan.template_path is not None:
        command += ["--chat-template", str(plan.template_path)]
    if plan.on_gpu:
        return [*command, "--gpu-memory-utilization", str(plan.gpu_memory_share)]
    return [
        *command,
        "--enforce-eager",
        "--distributed-executor-backend",
        "uni",
        "--max-num-seqs",
        str(CPU_REPLIES_AT_ONCE),
        "--worker-cls",
        "thumbtune.serving.cpu_worker.Worker",
    ]


def build_env(plan: EnginePlan, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return vLLM's environment: this one without our secrets, offline, without plugins and without usage reports."""
    env = drop_secrets(inherited)
    env |= {
        "VLLM_API_KEY": plan.api_key,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_PLUGINS": "",
        "VLLM_SERVER_DEV_MODE": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_HOST_IP": "127.0.0.1",  # its processes talk to one another on this host only
        "GLOO_SOCKET_IFNAME": "lo",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75",  # longer than our clients keep a connection, so none is cut in use
    }
    if not plan.on_gpu:
        env["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # allows the executor in the engine's own process
        env.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        env.setdefault("OMP_NUM_THREADS", str(plan.threads))
    return env


def place_socket(run_dir: Path, name: str) -> Path:
    """Return where a replica's Unix socket lies, in a folder that only this user can enter.

    That is the run folder, or one of our own in the temporary folder when the path would be too long for a socket.
    Raises: ConfigError when that folder belongs to someone else.
    """
    folder = run_dir
    if len(os.fsencode(folder / f"{name}.sock")) > MAX_SOCKET_PATH:
        digest = hashlib.sha256(os.fsencode(run_dir)).hexdigest()[:16]
        folder, name = Path(tempfile.gettempdir()) / f"thumbtune-{digest}", "vllm"
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ConfigError(
            [f"folder {folder} belongs to someone else; remove it or choose a shorter THUMBTUNE_DATA_DIR"]
        )
    folder.chmod(0o700)
    return folder / f"{name}.sock"


def check_installed() -> None:
    """Check that vLLM is there without importing it, which would take seconds.

    Raises: ConfigError saying what to install.
    """
    if not any((Path(folder) / "vllm" / "entrypoints").is_dir() for folder in sys.path):
        raise ConfigError(
            ["vLLM is not installed here: install thumbtune[serving-gpu] (or [serving-cpu] without a GPU), "
             "or set THUMBTUNE_INFERENCE_URL to a running one"]
        )  # fmt: skip


def detect_gpu() -> bool:
    """Return whether an NVIDIA GPU is at hand, without importing torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if (tool := shutil.which("nvidia-smi")) is None:
        return Path("/dev/nvidia0").exists()
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and "GPU " in listed.stdout


def _fit_context(wanted: int, base_dir: Path | None) -> int:
    """Return the context to ask for: vLLM refuses to start with more than the model was made for."""
    if base_dir is None or not (base_dir / "config.json").is_file():
        return wanted
    return fit_context(base_dir, wanted=wanted)


def _fit_rank(wanted: int) -> int:
    for rank in SERVABLE_RANKS:
        if rank >= wanted:
            return rank
    raise ConfigError([f"an adapter of rank {wanted} cannot be served; vLLM's highest rank is {SERVABLE_RANKS[-1]}"])
