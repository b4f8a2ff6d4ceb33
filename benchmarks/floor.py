"""The floor: two processes that read the same traces and write the same bytes, and nothing else.

    python -I -S benchmarks/floor.py LIST

LIST is a JSON file of [what to read, what to write, how many bytes]; the folders are there. What is
written is not what a sample holds, there is only as much of it, under its final name.
"""

from __future__ import annotations

import json
import os
import sys

_PROCESSES = 2


def main() -> int:
    """Share the list out, one half to each process."""
    with open(sys.argv[1]) as stream:
        files = json.load(stream)
    content = memoryview(os.urandom(max(size for _, _, size in files)))
    children = []
    for at in range(_PROCESSES):
        child = os.fork()
        if not child:
            for read, write, size in files[at::_PROCESSES]:
                with open(read, "rb", buffering=0) as stream:
                    stream.read()
                with open(write, "xb", buffering=0) as stream:
                    stream.write(content[:size])
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(main())
