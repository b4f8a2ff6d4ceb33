"""For mkdocstrings: what it does not see in the source.

Examples that stand in docstrings as `>>> ...` are code, `one, two: ...` among arguments are two of
them, and a function that takes the fields of options (`keywords_of`) takes keywords.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Function, Object, Parameter, ParameterKind, Parameters

_EXAMPLE = re.compile(r"^>>> .*(?:\n\S.*|\n +\S.*)*", re.MULTILINE)
_SEVERAL = re.compile(r"^(    )((?:\w+, )+)(\w+): ", re.MULTILINE)


def _each(found: re.Match[str]) -> str:
    """`one, two: what` as an entry each."""
    indent, others, last = found.groups()
    entries = [f"{indent}{name}: see `{last}`.\n" for name in others.split(", ") if name]
    return f"{''.join(entries)}{indent}{last}: "


class Examples(Extension):
    """Changes objects when they have been read, before docstrings are parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Fences around examples, an entry for each argument."""
        if obj.docstring is not None:
            said = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            obj.docstring.value = _SEVERAL.sub(_each, said)

    def on_function(self, *, func: Function, **_: Any) -> None:
        """The signature that a caller sees."""
        if any("keywords_of" in str(decorator.value) for decorator in func.decorators):
            kind = ParameterKind.var_keyword
            func.parameters = Parameters(Parameter("options", annotation="Any", kind=kind))
            if func.docstring is not None:
                said = re.sub(r"^( *)options: ", r"\1**options: ", func.docstring.value, flags=re.M)
                func.docstring.value = said
