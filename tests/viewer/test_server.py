"""`exp2proc view`: a real process, asked as a browser asks and as others would."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import COMMAND, run_cli
from support.exported import NAN, write_export
from support.processes import unmeasured

from exp2proc.viewer.facts import Work, load_facts, message
from exp2proc.viewer.server import Viewer

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("out")
    for run_tag in ("attnlrp_1ex", "ifr_n1_1ex"):
        path = root / "exp/exp2/data/math.jsonl/qwen-8B" / run_tag / "ex_000000.npz"
        write_export(path, [" a", "<b>", " c"], scores=(0.5, NAN, 0.1), hop=[[1, 2, 3]])
    (root / "exp/exp2/data/math.jsonl/qwen-8B/ifr_n1_1ex/ex_000001.npz").write_bytes(b"PK")
    return root


@pytest.fixture(scope="module")
def viewer(out: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """The process, its port, the key of its address."""
    process = subprocess.Popen(
        [*COMMAND, "view", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    )
    assert process.stdout is not None
    found = re.fullmatch(
        r"open http://127\.0\.0\.1:(\d+)/([\w-]{20,})/\n", process.stdout.readline()
    )
    assert found
    yield process, int(found[1]), found[2]
    process.kill()
    process.communicate()


def ask(
    port: int, path: str, host: str | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request(method, path, headers={} if host is None else {"Host": host})
    answer = link.getresponse()
    content = answer.read()
    link.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def messages(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def test_the_page_the_list_and_the_files_as_they_are(
    viewer: tuple[Any, int, str], out: Path
) -> None:
    _, port, key = viewer
    status, headers, page = ask(port, f"/{key}/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'"kind": "server"' in page
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert ask(port, f"/{key}")[:1] == (301,)
    first, *rest = messages(ask(port, f"/{key}/list")[2])
    assert [(run["dataset"], run["path"]) for run in first["runs"]] == [
        ("math", "exp/exp2/data/math.jsonl")
    ] * 2
    assert [sample[1] for sample in first["samples"]] == [
        "ex_000000.npz",
        "ex_000000.npz",
        "ex_000001.npz",
    ]
    assert rest[-1] == {"done": True}
    assert [fact[0] for fact in rest[0]["facts"]] == [0, 1]
    assert rest[0]["facts"][0][1] == rest[0]["facts"][1][1]  # one text
    assert rest[0]["failed"][0][0] == 2
    files = sorted(out.rglob("*.npz"))
    for at, file in enumerate(files):
        assert ask(port, f"/{key}/npz/{at}")[2] == file.read_bytes()


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/", None, 403),
        ("/wrong/", None, 403),
        ("/wrong/npz/0", None, 403),
        ("/%C3%A9/", None, 403),
        ("/KEY/", "evil.example", 421),
        ("/KEY/list", "127.0.0.1.evil.example:80", 421),
        ("/KEY/", "", 421),
        ("/KEY/", "localhost:9999", 200),
        ("/KEY/npz/99", None, 404),
        ("/KEY/npz/-1", None, 404),
        (f"/KEY/npz/{'9' * 5000}", None, 404),
        ("/KEY/npz/00", None, 404),
        ("/KEY/npz/../../../../etc/passwd", None, 404),
        ("/KEY/npz/%2e%2e%2fx", None, 404),
        ("/KEY/data/index.js", None, 404),
        ("/KEY/npz/0/", None, 404),
    ],
)
def test_nothing_but_the_export_for_nobody_else(
    viewer: tuple[Any, int, str], path: str, host: str | None, status: int
) -> None:
    _, port, key = viewer
    found, headers, content = ask(port, path.replace("KEY", key), host)
    assert found == status
    assert headers["referrer-policy"] == "no-referrer"
    assert b"root:" not in content


def test_it_only_reads(viewer: tuple[Any, int, str]) -> None:
    _, port, key = viewer
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert ask(port, f"/{key}/npz/0", method=method)[0] == 501


def test_ctrl_c_as_soon_as_the_address_is_told(out: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "view", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("open ")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")


def test_whoever_hangs_up_in_the_middle_leaves_nothing_on_the_terminal(out: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "view", str(out), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        port = int(address.split(":")[2].split("/")[0])
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as link:
                link.sendall(b"GET /" + b"x" * 10 + b" HTTP/1.1\r\n")
        assert ask(port, "/" + address.split("/", 3)[3])[0] == 200
        process.send_signal(signal.SIGINT)
        told = process.stdout.read()
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert f"ssh -N -L {port}:127.0.0.1:{port}" in told


def test_a_taken_port_and_no_samples_are_told(
    viewer: tuple[Any, int, str], out: Path, tmp_path: Path
) -> None:
    done = run_cli("view", out, "--port", str(viewer[1]))
    assert done.returncode == 2
    assert f"exp2proc view: port {viewer[1]}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert run_cli("view", out, "--port", "70000").returncode == 2
    done = run_cli("view", tmp_path)
    assert (done.returncode, "no-samples" in done.stderr) == (2, True)


def test_nothing_is_written(viewer: tuple[Any, int, str], out: Path) -> None:
    _, port, key = viewer
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    for path in ("", "list", "npz/0"):
        ask(port, f"/{key}/{path}")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_list_that_is_still_read_is_told_as_far_as_it_is(out: Path) -> None:
    with Viewer(out) as viewer:
        lines = list(viewer.lines())  # waits for the end
        again = list(viewer.lines())
    assert lines == again
    sources = [work.source for work in viewer.works]
    facts = [(at, load_facts(Work(source, ""))) for at, source in enumerate(sources[:2])]
    assert json.loads(lines[1])["facts"] == message(facts, set())["facts"]
