"""What a command answers: with `--json` one object on stdout, whatever becomes of it.

Every command has `--json`, and every object has `exit_code`. One that refuses (2) or was stopped
(130, 143) has `code`, `message` and `hint`, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import CATALOGUE, Exp2procError, PlanError
from ..system.signals import ignore_stops
from .parser import try_help

STOPPED: Final = {"interrupted": 130, "terminated": 143}
"""The codes of what Ctrl-C and SIGTERM ended, and the exit codes."""


def add_json(to: argparse._ActionsContainer) -> None:
    """The option, for a command that has not declared it."""
    if "--json" not in to._option_string_actions:
        to.add_argument(
            "--json", action="store_true", help="print one JSON object on stdout, nothing else"
        )


def print_json(data: Mapping[str, Any], code: int = 0) -> int:
    """Answer with an object; the exit code, which stands: a stop would say another."""
    ignore_stops()
    show_json(data, code)
    return code


def show_json(data: Mapping[str, Any], code: int = 0) -> None:
    """Print the object of a command that goes on afterwards."""
    whole = data if "exit_code" in data else {"exit_code": code, **data}
    print(json.dumps(whole, indent=2, allow_nan=False), flush=True)


def failures_json(failures: Iterable[Exp2procError]) -> list[dict[str, Any]]:
    """Files that could not be read, and why: messages begin with their paths."""
    return [err.to_dict() for err in failures]


def refusal(err: Exp2procError) -> dict[str, Any]:
    """Why nothing was done, as plain data."""
    problems = err.problems if isinstance(err, PlanError) else [err]
    return {"exit_code": 2, **err.to_dict(), "problems": [one.to_dict() for one in problems]}


def refuse(err: Exp2procError, *, prog: str, as_json: bool) -> int:
    """Tell why nothing was done; exit code 2."""
    err = leading_to_help(err, prog)
    if as_json:
        return print_json(refusal(err), 2)
    if isinstance(err, PlanError):
        from ..terminal.errors import print_problems

        print_problems(err.problems)
        return 2
    from ..formats.names import printable

    # Words of the command line may come from file names.
    message = "\n".join(map(printable, err.message.splitlines()))
    usage = err.code == "usage"
    print(f"{prog if usage else f'exp2proc: {err.code}'}: {message}", file=sys.stderr)
    told = err.hint.startswith("Try: ")
    print(printable(err.hint) if told else f"hint: {printable(err.hint)}", file=sys.stderr)
    if usage and not told and prog != "exp2proc":
        print(try_help(prog), file=sys.stderr)
    return 2


def leading_to_help(err: Exp2procError, prog: str) -> Exp2procError:
    """A usage error that names the command's own help, where it has no better hint."""
    if isinstance(err, PlanError):
        return PlanError([leading_to_help(one, prog) for one in err.problems])
    if err.code == "usage" and err.hint == CATALOGUE["usage"].hint:
        return Exp2procError("usage", err.message, try_help(prog))
    return err


def refused_by_system(err: OSError) -> Exp2procError:
    """What the operating system refuses, as one of our errors."""
    where = f"{err.filename}: " if err.filename else ""
    return Exp2procError("system-refuses", f"{where}{err.strerror or err}")


def stop(code: str, hint: str, *, as_json: bool) -> int:
    """Tell that Ctrl-C or SIGTERM ended the command; its exit code."""
    number = STOPPED[code]
    if as_json:
        return print_json(stopped(code, hint), number)
    print(f"exp2proc: {code}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return number


def stopped(code: str, hint: str) -> dict[str, Any]:
    """That a command was ended, as plain data."""
    told = {"code": code, "message": CATALOGUE[code].when, "hint": hint or CATALOGUE[code].hint}
    return {"exit_code": STOPPED[code], **told}
