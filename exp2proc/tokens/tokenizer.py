"""Tokenizers: loading one as exp2 did, and carrying it to where it is needed.

`AutoTokenizer` is the authority on what a tokenizer folder means, but importing transformers costs
more than converting a hundred samples. So it is asked once; what it built (the Rust tokenizer) is
serialized together with probes: texts and what the authority made of them. Whoever rebuilds the
tokenizer from that form checks the probes first, and goes back to the authority when one differs.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..errors import Exp2procError, first_line
from ..system.environment import Variables
from ..system.status import busy
from .pieces import Offsets, OffsetTokenizer

if TYPE_CHECKING:
    import tokenizers

PROBES: Final = (
    "",
    " ",
    " The sink is 42.\n\nStep 1:\tadd 3 × 17  and   60\r\n",
    "question：小明有３个苹果，又买了12345个。答案是？",
    "e\u0301 u\u0308 \u1100\u1161 \u0915\u094d\u0937 ﬁ Å",
    "مرحبا بالعالم שלום \u200f\u200d",
    "🙂👩\u200d👩\u200d👧🏽 🇨🇳 \U0001f9d1\u200d🚀\ufe0f",
    "<|im_start|>user\n<|im_end|> <|endoftext|></s><s> <think> </think>",
    "\\boxed{\\frac{1}{2}} don't WE'LL I'M 3.14e-10 __init__ $x^2$",
    "\u00a0\u3000\u2028x\x00y\x7f\ufeff\ufffd",
)
"""Texts on which tokenizers that differ at all tend to differ."""

_KEPT_FILES: Final = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".vocab", ".py", ".bpe")
_LARGEST: Final = 1 << 28


@contextmanager
def _tokenizing() -> Iterator[None]:
    """Turns whatever the library raises on a text into `tokenizer-invalid`.

    Its Rust code raises bare `Exception` (no token for a character), and where it panics something
    that is not even one.
    """
    try:
        yield
    except BaseException as err:
        panic = type(err).__name__ == "PanicException"
        if isinstance(err, MemoryError) or not (panic or isinstance(err, Exception)):
            raise
        why = first_line(err)
    else:
        return
    raise Exp2procError("tokenizer-invalid", f"it cannot tokenize a text ({why})")


@dataclass(slots=True)
class BackendTokenizer:
    """A `tokenizers.Tokenizer` used directly, without the layers above it."""

    backend: tokenizers.Tokenizer
    eos_token: str

    def __post_init__(self) -> None:
        self.backend.no_truncation()
        self.backend.no_padding()

    def encode(self, text: str) -> tuple[list[int], Offsets]:
        """See `OffsetTokenizer.encode`."""
        with _tokenizing():
            encoding = self.backend.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def decode(self, ids: list[int]) -> str:
        """See `OffsetTokenizer.decode`."""
        with _tokenizing():
            return str(self.backend.decode(ids, skip_special_tokens=False))


@dataclass(slots=True)
class PretrainedTokenizer:
    """A transformers tokenizer through its public calls: the authority, and slower."""

    pretrained: Any

    @property
    def eos_token(self) -> str:
        """See `OffsetTokenizer.eos_token`."""
        return str(self.pretrained.eos_token)

    def encode(self, text: str) -> tuple[list[int], Offsets]:
        """See `OffsetTokenizer.encode`."""
        with _tokenizing():
            made = self.pretrained(text, add_special_tokens=False, return_offsets_mapping=True)
        return list(made["input_ids"]), [tuple(pair) for pair in made["offset_mapping"]]

    def decode(self, ids: list[int]) -> str:
        """See `OffsetTokenizer.decode`."""
        with _tokenizing():
            return str(
                self.pretrained.decode(
                    ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
                )
            )


Probe = tuple[str, list[int], list[tuple[int, int]], str]


def probe(tokenizer: OffsetTokenizer) -> list[Probe]:
    """What a tokenizer makes of the probe texts: ids, offsets and the decoded text of each."""
    results: list[Probe] = []
    for text in (*PROBES, f"end{tokenizer.eos_token}", f"end {tokenizer.eos_token} more"):
        ids, offsets = tokenizer.encode(text)
        results.append((text, ids, [(start, end) for start, end in offsets], tokenizer.decode(ids)))
    return results


@dataclass(frozen=True, slots=True)
class LoadedTokenizer:
    """A tokenizer ready to align.

    Attributes:
        tokenizer: gives ids, offsets and decoded text.
        portable: its serialized form, or None when only the authority itself is exact.
        fingerprint: of its files, the same before and after they were read; None for a hub name,
            and for files that changed meanwhile: nobody can say then which of them it is made of.
    """

    tokenizer: OffsetTokenizer
    portable: bytes | None
    fingerprint: str | None = None


def load_tokenizer(name: str) -> LoadedTokenizer:
    """Load a tokenizer by folder or hub name through transformers.

    A folder is loaded with no network; a hub name from the local hub cache if it is there.

    Raises:
        Exp2procError: `tokenizer-invalid`.
    """
    busy("loading the tokenizer")
    before = fingerprint(name)
    with _no_collections():
        pretrained = _pretrained(name)
    unchanged = before if before == fingerprint(name) else None
    if not getattr(pretrained, "is_fast", False):
        raise _invalid(name, f"{type(pretrained).__name__} is a slow tokenizer: it has no offsets")
    if not isinstance(pretrained.eos_token, str) or not pretrained.eos_token:
        raise _invalid(name, "it has no eos_token")
    authority = PretrainedTokenizer(pretrained)
    try:
        with quiet_transformers():
            truth = probe(authority)
            backend = BackendTokenizer(pretrained.backend_tokenizer, authority.eos_token)
            if probe(backend) != truth:
                return LoadedTokenizer(authority, None, unchanged)
            portable = _serialize(backend, truth)
    except Exp2procError as err:
        raise _invalid(name, err.message) from err
    except Exception as err:
        raise _invalid(name, f"it cannot tokenize ({first_line(err)})") from err
    return LoadedTokenizer(backend, portable, unchanged)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Loading makes a great many objects that stay: searching them for garbage takes 0.1 s."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _pretrained(name: str) -> Any:
    folder = os.path.expanduser(name)
    local = os.path.isdir(folder)
    if not local and (
        os.path.exists(folder) or name.startswith((".", "/", "~")) or name.count("/") > 1
    ):
        raise _invalid(name, "there is no such folder")
    with quiet_transformers():
        try:
            from transformers import AutoTokenizer
        except Exception as err:
            raise _invalid(name, f"transformers does not import ({first_line(err)})") from err
        where = folder if local else name
        try:
            return AutoTokenizer.from_pretrained(
                where, local_files_only=True, trust_remote_code=False
            )
        except Exception as err:
            if local:
                raise _invalid(name, f"it does not load ({first_line(err)})") from err
        if not _hub_answers():
            raise _invalid(
                name,
                "there is no such folder here, the local hub cache does not have it, and the hub"
                " cannot be reached",
            )
        try:
            return AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        except Exception as err:
            raise _invalid(name, f"it does not load ({first_line(err)})") from err


def _hub_answers() -> bool:
    """Whether asking the hub has a chance; its client would try for most of a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True  # only the proxy can tell
    where = urlsplit(constants.ENDPOINT)
    port = where.port or (80 if where.scheme == "http" else 443)
    try:
        socket.create_connection((where.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


def _invalid(name: str, why: str) -> Exp2procError:
    return Exp2procError("tokenizer-invalid", f"tokenizer {name}: {why}")


def _serialize(tokenizer: BackendTokenizer, truth: list[Probe]) -> bytes:
    """A line of JSON about the tokenizer, then the tokenizer itself as its library spells it."""
    about = {
        "eos_token": tokenizer.eos_token,
        "encode_special_tokens": bool(tokenizer.backend.encode_special_tokens),
        "probes": truth,
    }
    return json.dumps(about).encode() + b"\n" + tokenizer.backend.to_str().encode()


def restore_tokenizer(portable: bytes) -> BackendTokenizer | None:
    """Rebuild a tokenizer from its portable form; None when it is not the same tokenizer."""
    import tokenizers

    try:
        line, _, body = portable.partition(b"\n")
        about = json.loads(line)
        backend = tokenizers.Tokenizer.from_str(body.decode())
        backend.encode_special_tokens = about["encode_special_tokens"]
        tokenizer = BackendTokenizer(backend, about["eos_token"])
        truth = [(t, ids, [(s, e) for s, e in pairs], d) for t, ids, pairs, d in about["probes"]]
        return tokenizer if probe(tokenizer) == truth else None
    except Exception:  # the Rust parser raises bare Exception
        return None


def fingerprint(name: str) -> str | None:
    """What a tokenizer folder's files and this environment's libraries amount to, as hex.

    Two folders with the same fingerprint give the same alignments. None for a hub name, whose
    files only transformers can find.
    """
    folder = os.path.expanduser(name)
    if not os.path.isdir(folder):
        return None
    digest = hashlib.blake2b(digest_size=20)
    digest.update(f"{version('tokenizers')} {version('transformers')}".encode())
    try:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.endswith(_KEPT_FILES) and entry.is_file():
                if entry.stat().st_size > _LARGEST:
                    return None
                content = Path(entry.path).read_bytes()
                digest.update(f"\0{entry.name}\0{len(content)}\0".encode("utf-8", "replace"))
                digest.update(content)
    except OSError:
        return None
    return digest.hexdigest()


_quiet_variables = Variables(
    {
        "TRANSFORMERS_VERBOSITY": "error",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
)
_quiet = threading.RLock()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' advice (no PyTorch, long sequences) from the user while it works.

    What is changed for it is this process's: one thread at a time.
    """
    with _quiet, _quiet_variables.set():
        logging: Any = None
        level = 0
        with suppress(Exception):  # a broken installation is reported by whoever needs it
            logging = import_module("transformers.utils.logging")
            level = logging.get_verbosity()
            logging.set_verbosity_error()
        try:
            yield
        finally:
            if logging is not None:
                logging.set_verbosity(level)
