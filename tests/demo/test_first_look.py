"""What `exp2proc demo` tells a newcomer to run next does run."""

from __future__ import annotations

import shlex
from pathlib import Path

from support.cli import run_cli


def test_the_demo_leads_to_a_summary_a_sample_and_a_gallery(tmp_path: Path) -> None:
    demo = run_cli("demo", "--dir", tmp_path / "demo")
    assert demo.returncode == 0
    lines = [line.strip() for line in demo.stdout.partition("next, look at it:")[2].splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("exp2proc ")]
    assert [words[0] for words in commands] == ["summary", "show", "gallery", "demo"]
    for words in commands[:3]:
        done = run_cli(*words)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "demo/site/index.html").is_file()
