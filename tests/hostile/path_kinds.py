"""Names of folders. `make()` gives the name of a run's folder, as bytes."""

from __future__ import annotations

from .kind import CONVERTS, Kind, table


def _name(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8")


KINDS = table(
    *(
        Kind(what, CONVERTS, lambda name=name: _name(name))
        for what, name in {
            "spaces": "a run with  spaces ",
            "Chinese": "数学题_多跳推理",
            "emoji": "🤔👩‍🚀 run",
            "right to left": "تجربة שלום",
            "combining marks": "e\u0301u\u0308",
            "a newline": "two\nlines",
            "a tab and a return": "a\tb\rc",
            "terminal escapes": "\x1b[31mEVIL\x1b[0m\x1b]0;title\x07",
            "C1 escapes": "\u009b31mEVIL",
            "letters that turn the line": "abc\u202edef\u2066",
            "quotes": 'it\'s "quoted" `here`',
            "shell words": "$(reboot); rm -rf * && ~ | > < ?",
            "rich markup": "[bold red]run[/] :smile:",
            "percent and braces": "%s %d {0} {x}",
            "a backslash": "back\\slash\\n",
            "a dash in front": "--overwrite",
            "an equals sign": "tag=run",
            "dots": "run...",
            "no UTF-8": b"latin-\xe9-\xff",
            "a line separator": "a\u2028b",
            "zero width": "a\u200bb\ufeff",
            "two hundred letters": "x" * 200,
        }.items()
    )
)
