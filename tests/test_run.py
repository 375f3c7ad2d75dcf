"""The cluster command: on two agents that are two hosts, on processes, and with bad input."""

import os
import socket
import subprocess
import sys

import pytest

from mlsys_lib.run import main

TABLE = ["all_reduce", "--algorithm", "ring", "--num-elements", "1000", "--repeat", "2"]


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RANK", "WORLD", "MASTER"))}
    return {**kept, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", **changes}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_hosts(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Two torchrun agents meet on loopback; rank 0 of the four prints the table, once."""
    agent = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=2",
        "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--rdzv-id=two-hosts",
        "--local-addr=127.0.0.1", "-m", "mlsys_lib.run", *TABLE,
    ]  # fmt: skip
    outputs = [(tmp_path / f"host-{host}").open("w+") for host in range(2)]
    agents = [
        subprocess.Popen(agent, env=environment(), stdout=output, stderr=subprocess.PIPE, text=True)
        for output in outputs
    ]
    try:
        errors = [process.communicate(timeout=240)[1] for process in agents]
    finally:
        for process in agents:
            process.kill()
            process.wait()
    assert [process.returncode for process in agents] == [0, 0], errors
    printed = ""
    for output in outputs:
        with output:
            output.seek(0)
            printed += output.read()
    lines = dict(
        line.split(None, 1) for line in printed.splitlines() if line[:5] in ("ranks", "algor")
    )
    assert lines == {"ranks": "4", "algorithm": "ring (sum)"}
    assert "rank 0 sent  12 kB (12 000 B)" in printed and "closed form  12 kB" in printed


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "mlsys_lib.run", *TABLE],
            env=environment(RANK="0", WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"mlsys_lib.run: MASTER_PORT must be free: port {port} is in use")
    assert "Traceback" not in done.stderr


def test_without_torchrun_it_starts_processes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlsys_lib.run", *TABLE, "--world-size=2"],
        env=environment(), capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "ranks        2\n" in done.stdout and "closed form  8 kB" in done.stdout


def test_on_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TABLE, "--world-size", "2", "--op", "max"]) == 0
    assert "algorithm    ring (max)\nranks        2\n" in capsys.readouterr().out


def test_half_an_environment_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert main(TABLE) == 1
    assert "WORLD_SIZE, MASTER_ADDR, MASTER_PORT must be in the env" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num-elements", "0"], "argument --num-elements: it must be an integer >= 1, got 0"),
        (["--num-elements", "x"], "argument --num-elements: "),
        (["--bandwidth", "0"], "argument --bandwidth: it must be finite and > 0, got 0.0"),
        (["--latency", "-1"], "argument --latency: it must be finite and >= 0, got -1.0"),
        (["--algorithm", "star"], "--algorithm must be one of naive, tree, recursive_doubling, ri"),
        (["--op", "mean"], "argument --op: invalid choice: 'mean'"),
        ([], "--world-size must be given where torchrun did not start this"),
    ],
)
def test_bad_options_name_the_rule(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["all_reduce", *options])
    assert message in capsys.readouterr().err
