"""The options that choose runs, datasets, tokenizers and outputs: shared by several commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..engines.choice import BACKENDS
from .values import path, positive_or_auto


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Options that say what to convert and where to."""
    what = add_runs(parser)
    what.add_argument(
        "--limit", metavar="N", type=int, help="the first N manifest rows of each run"
    )
    add_texts(parser, "texts and tokenizers (layout proc)")
    _add_outputs(parser)


def add_runs(parser: argparse.ArgumentParser) -> Any:
    """Options that name trace runs; returns their group."""
    what = parser.add_argument_group("runs")
    what.add_argument(
        "--trace_dir",
        metavar="DIR",
        action="append",
        default=[],
        type=path,
        help="a trace run (a folder with manifest.jsonl); may be repeated",
    )
    what.add_argument(
        "--traces_root",
        metavar="DIR",
        type=path,
        help="every run below this folder",
    )
    return what


def add_texts(parser: argparse.ArgumentParser, title: str) -> None:
    """Options that name dataset caches and tokenizers."""
    text = parser.add_argument_group(title)
    text.add_argument(
        "--dataset_jsonl",
        metavar="FILE",
        action="append",
        default=[],
        type=path,
        help="a dataset cache; may be repeated. Default: the file that the run's path names",
    )
    text.add_argument(
        "--data_root",
        metavar="DIR",
        type=path,
        default=Path("exp/exp2/data"),
        help="where the caches of bare dataset names are (default: %(default)s)",
    )
    text.add_argument(
        "--tokenizer_model",
        metavar="[TAG=]NAME_OR_DIR",
        action="append",
        default=[],
        help="tokenizer of all runs, or with TAG= of the runs of that model; may be repeated",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument_group("where to and how")
    out.add_argument(
        "--layout",
        choices=("proc", "proc_1"),
        default="proc",
        help="proc: with token pieces; proc_1: without text (default: %(default)s)",
    )
    out.add_argument(
        "--out_root",
        metavar="DIR",
        type=path,
        help="root of the output folders (default: exp/<layout>/output)",
    )
    out.add_argument("--out_dir", metavar="DIR", type=path, help="output folder of the only run")
    existing = out.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="make existing outputs again")
    existing.add_argument(
        "--resume",
        action="store_true",
        help="keep outputs that are complete and newer than their trace, make the rest",
    )
    out.add_argument(
        "--allow_missing_ft_hops",
        action="store_true",
        help="write FT-IFR traces without vh as samples without hop",
    )


def add_execution(parser: argparse.ArgumentParser) -> None:
    """Options that say how the work is carried out."""
    how = parser.add_argument_group("workers")
    how.add_argument(
        "--jobs",
        metavar="N|auto",
        type=positive_or_auto,
        default="auto",
        help="worker processes (default: auto, by estimated work and available cores)",
    )
    add_engine(how)
    how.add_argument("--fail_fast", action="store_true", help="stop at the first row that fails")
    how.add_argument(
        "--no_cache", action="store_true", help="neither use nor fill the alignment cache"
    )


def add_engine(group: argparse._ActionsContainer) -> None:
    """Options that say where workers are."""
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="engine (default: loky, worker processes of this machine); dask and ray are extras",
    )
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="with --backend dask: the scheduler, such as tcp://head:8786 (default: a cluster"
        " started on this machine)",
    )
    group.add_argument(
        "--address",
        metavar="ADDRESS",
        help="with --backend ray: the cluster, such as head:6379 (default: $RAY_ADDRESS, else a"
        " Ray started on this machine)",
    )


def options_of(args: argparse.Namespace) -> Any:
    """The `exp2proc.Options` of parsed arguments."""
    from ..options import Options

    return Options(
        trace_dir=tuple(args.trace_dir),
        traces_root=args.traces_root,
        dataset_jsonl=tuple(args.dataset_jsonl),
        data_root=args.data_root,
        tokenizer_model=tuple(args.tokenizer_model),
        layout=args.layout,
        out_root=args.out_root,
        out_dir=args.out_dir,
        limit=args.limit,
        overwrite=args.overwrite,
        resume=args.resume,
        allow_missing_ft_hops=args.allow_missing_ft_hops,
        jobs=args.jobs,
        backend=args.backend,
        scheduler=args.scheduler,
        address=args.address,
        fail_fast=args.fail_fast,
        cache=not args.no_cache,
    )
