"""Find out which dataset cache and tokenizer belong to trace runs, and whether these are whole.

Four questions are answered with evidence; the last one with the exact convert command.
"""

from __future__ import annotations

import argparse

from .answers import print_json
from .selection import add_options

EXAMPLES = """\
examples:
  exp2proc doctor --traces_root exp/exp2/output/traces --tokenizer_model models/Qwen3-8B
  exp2proc doctor --trace_dir RUN --tokenizer_model A --tokenizer_model B \\
      --dataset_jsonl old.jsonl --dataset_jsonl new.jsonl

exit codes: 0 the command at the end converts every row; 1 something is needed first; 2 there is no
run to look at.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc doctor`."""
    add_options(parser.add_argument_group("runs"), "trace_dir", "traces_root")
    texts = ("dataset_jsonl", "data_root", "tokenizer_model", "prompt_prefix")
    add_options(parser.add_argument_group("evidence", "every --tokenizer_model is tried"), *texts)
    add_options(parser, "out_root", out_root="where the suggested command shall write")


def run(args: argparse.Namespace) -> int:
    """Diagnose and show."""
    from ..doctor.examination import diagnose

    diagnosis = diagnose(
        trace_dir=args.trace_dir,
        traces_root=args.traces_root,
        dataset_jsonl=args.dataset_jsonl,
        data_root=args.data_root,
        tokenizer_model=args.tokenizer_model,
        prompt_prefix=args.prompt_prefix,
        out_root=args.out_root,
        on_step=_say,
    )
    if args.json:
        return print_json(diagnosis.to_dict(), diagnosis.exit_code)
    from ..terminal.diagnosis import print_diagnosis

    print_diagnosis(diagnosis)
    return diagnosis.exit_code


def _say(step: str) -> None:
    from ..formats.names import printable
    from ..system.status import busy

    busy(printable(step))
