"""Files that are dropped on the page or chosen: npz, folders, zips; honest and hostile ones."""

from __future__ import annotations

import base64
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.bombs import write_bomb
from support.exported import NAN, write_export
from support.pages import all_of, ask, classes, one_of, params, press, visit, wait_for

import exp2proc
from exp2proc.viewer.single import write_single

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "viewer.html"
    write_single([], path)
    return path


READ = "!document.getElementById('list').hidden && !document.getElementById('reading')"


@pytest.fixture
def give(browser: Any, page: Path) -> Callable[..., Any]:
    """Opens the empty page, and chooses files on it."""

    def choose(*files: Path, field: str = "pick-files") -> Any:
        visit(browser, page)
        assert one_of(browser, "#drop").is_displayed()
        one_of(browser, f"#{field}").send_keys("\n".join(map(str, files)))
        wait_for(browser, f"!document.getElementById('trouble').hidden || {READ}")
        return browser

    return choose


def drop(browser: Any, *paths: Path) -> None:
    """A drop from outside of the browser, of files and folders."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 200, "y": 200, "data": data}
        browser.execute_cdp_cmd("Input.dispatchDragEvent", event)


def names(browser: Any) -> list[str]:
    rows = all_of(browser, "#samples tbody tr:not(.space)")
    script = "[...arguments[0].cells].slice(0, 4).map((cell) => cell.textContent).join(' ')"
    return [ask(browser, script, row) for row in rows]


def failed(browser: Any) -> dict[str, str]:
    browser.execute_script(
        "for (const one of document.querySelectorAll('.failed')) one.open = true"
    )
    lines = [line.text for line in all_of(browser, ".failed li")]
    return dict(line.split(": ", 1) for line in lines)


def sample(path: Path, *words: str, **how: Any) -> Path:
    return write_export(path, list(words) or ["one", " two"], **how)


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            with archive.open(name, "w", force_zip64=True) as stream:
                stream.write(content)
    return path


def test_npz_files(give: Callable[..., Any], tmp_path: Path) -> None:
    one = sample(tmp_path / "a/ex_000000.npz", scores=(0.1, 0.2, NAN))
    two = sample(tmp_path / "b/ex_000000.npz", "another", " text")
    three = sample(tmp_path / "ex_000001.npz")
    browser = give(one, two, three, sample(tmp_path / ".hidden.npz"))
    assert names(browser) == [*["? ? ? ex_000000"] * 2, "? ? ? ex_000001"]
    # two files of one name are two samples, and an address tells them apart
    all_of(browser, "#samples a")[1].click()
    wait_for(browser, "!!document.querySelector('.run > span')")
    assert [span.text for span in all_of(browser, ".run > span")] == ["another", " text"]
    assert params(browser)["s"] == "ex_000000.npz (2)"
    press(browser, "g")
    assert "0.100" in all_of(browser, "#samples tbody tr:not(.space)")[0].text


def test_a_folder_that_is_chosen_and_one_that_is_dropped(
    browser: Any, page: Path, give: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "output"
    for method in ("ifr_n1_2ex", "attnlrp_negdrop_2ex"):
        for number in range(2):
            sample(out / f"math/qwen-8B/{method}/ex_{number:06d}.npz", f"text {number}", " .")
    (out / "notes.txt").write_text("no sample")
    expected = [
        "math qwen-8B attnlrp ex_000000",
        "math qwen-8B attnlrp ex_000001",
        "math qwen-8B ifr ex_000000",
        "math qwen-8B ifr ex_000001",
    ]
    give(out, field="pick-folder")
    assert names(browser) == expected
    visit(browser, page)
    drop(browser, out)
    wait_for(browser, f"{READ} && document.querySelectorAll('#samples tbody tr').length > 4")
    assert names(browser) == expected
    # another drop does not mix two pages in one
    drop(browser, out / "math")
    wait_for(browser, "document.getElementById('told').textContent !== ''")
    assert names(browser) == expected
    one_of(browser, "#samples a").click()
    wait_for(browser, "!!document.querySelector('.run > span')")
    press(browser, "m")
    wait_for(browser, "document.querySelectorAll('.pane').length === 2")


@pytest.mark.parametrize("target", ["bundle", "bundle.zip"])
def test_a_bundle_is_looked_at_with_the_page_that_is_in_it(
    browser: Any, tmp_path: Path, target: str
) -> None:
    for method in ("ifr_n1_mfaithfulness_gen_1ex", "attnlrp_negdrop_1ex"):
        sample(tmp_path / f"out/exp/exp2/data/math.jsonl/qwen-8B/{method}/ex_000000.npz", "a", "b")
    exp2proc.bundle(tmp_path / "out", tmp_path / target)
    exp2proc.bundle(tmp_path / "out", tmp_path / "page")
    visit(browser, tmp_path / "page/viewer.html")
    drop(browser, tmp_path / target)
    wait_for(browser, f"{READ} && document.querySelectorAll('#samples tbody tr').length > 2")
    assert names(browser) == ["math qwen-8B attnlrp ex_000000", "math qwen-8B ifr ex_000000"]
    assert not one_of(browser, "#trouble").is_displayed()


def test_files_that_are_dropped_by_a_script(browser: Any, page: Path) -> None:
    visit(browser, page)
    browser.execute_script(
        "const data = new DataTransfer(); data.items.add(new File(['x'], 'ex_000000.npz'));"
        "for (const kind of ['dragover', 'drop']) document.body.dispatchEvent("
        "new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }))"
    )
    wait_for(browser, "!!document.querySelector('.failed')")
    assert failed(browser) == {"ex_000000.npz": "it is no zip archive"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zips(give: Callable[..., Any], tmp_path: Path, method: int) -> None:
    content = sample(tmp_path / "one.npz", "zipped", "🍎", "🍎").read_bytes()
    tag = "math/qwen-8B/ifr_n1_2ex"
    browser = give(
        zipped(
            tmp_path / "out.zip",
            {
                f"output/{tag}/ex_000000.npz": content,
                f"output/{tag}/ex_000001.npz": content,
                f"__MACOSX/output/{tag}/._ex_000000.npz": b"resource fork",
                f"__MACOSX/output/{tag}/ex_000000.npz": b"resource fork",
                f"output/{tag}/.ex_000009.npz": b"hidden",
                "output/.exp2proc/x.npz": b"hidden",
                "output/readme.txt": b"text",
                "../../../../evil/q/ifr_n1_1ex/ex_000002.npz": content,
            },
            method,
        )
    )
    assert names(browser) == [f"math qwen-8B ifr ex_00000{n}" for n in range(2)]
    assert failed(browser) == {}
    one_of(browser, "#samples a").click()
    wait_for(browser, "!!document.querySelector('.run > span')")
    assert len(classes(browser)) == 2


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_too_large_for_memory_is_read_in_place(
    browser: Any, page: Path, tmp_path: Path, method: int
) -> None:
    members = {"a/ä.npz": bytes(range(256)) * 100, "b.npz": b""}
    made = zipped(tmp_path / "large.zip", members, method)
    visit(browser, page)
    script = (
        "const done = arguments[1], blob = blobOf(arguments[0]); (async () => { const found = [];"
        " for (const entry of await zipEntries(blob)) {"
        " const content = await zipContent(blob, entry);"
        " found.push([entry.name, content.length, crc32(content) === entry.crc]); }"
        " done(found); })()"
    )
    found = browser.execute_async_script(script, base64.b64encode(made.read_bytes()).decode())
    assert found == [["a/ä.npz", 25_600, True], ["b.npz", 0, True]]


def npz(path: Path, **arrays: Any) -> Path:
    """A sample in which some arrays are others; None leaves one out."""
    plain = {
        "attr": np.arange(4, dtype=np.float32),
        "tok": np.array(["a", "b", "c", "d"]),
        "span_in": np.array([0, 3]),
        "span_cot": np.array([-1, -1]),
        "span_out": np.array([-1, -1]),
        **{key: np.array(0.5) for key in ("rise", "mas", "recovery")},
    }
    kept = {key: one for key, one in {**plain, **arrays}.items() if one is not None}
    np.savez_compressed(path, **kept)
    return path


def patched(path: Path, change: Callable[[bytearray], None]) -> Path:
    content = bytearray(npz(path).read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def directory(content: bytearray) -> int:
    """Where the first entry of a zip's directory is."""
    return content.index(b"PK\1\2")


def encrypted(content: bytearray) -> None:
    content[directory(content) + 8] |= 1


def wrong_crc(content: bytearray) -> None:
    content[directory(content) + 16] ^= 1


def larger_than_it_says(content: bytearray) -> None:
    struct.pack_into("<I", content, directory(content) + 24, 80)


def smaller_than_it_says(content: bytearray) -> None:
    struct.pack_into("<I", content, directory(content) + 24, 100_000)


def four_gigabytes(content: bytearray) -> None:
    struct.pack_into("<I", content, directory(content) + 24, 0xFFFFFFF0)


def many_entries(content: bytearray) -> None:
    struct.pack_into("<H", content, content.rindex(b"PK\5\6") + 10, 60_000)


def another_method(content: bytearray) -> None:
    struct.pack_into("<H", content, directory(content) + 10, 93)


def no_header(content: bytearray) -> None:
    content[0] = 0


def raw_npy(path: Path, header: str, data: bytes = b"", version: bytes = b"\1\0") -> Path:
    """A sample whose `attr` has a header of its own."""
    npz(path, attr=None)
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("attr.npy", b"\x93NUMPY" + version + size + header.encode() + data)
    return path


_DESCR = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }"


def test_hostile_files_are_told_and_nothing_breaks(
    give: Callable[..., Any], tmp_path: Path
) -> None:
    def at(name: str) -> Path:
        return tmp_path / f"{name}.npz"

    whole = npz(at("whole")).read_bytes()
    at("cut").write_bytes(whole[: len(whole) // 2])
    at("empty").write_bytes(b"")
    at("end").write_bytes(whole[-22:])
    for change in (
        *(encrypted, wrong_crc, larger_than_it_says, smaller_than_it_says, four_gigabytes),
        *(many_entries, another_method, no_header),
    ):
        patched(at(change.__name__), change)
    ran = tmp_path / "ran"
    npz(at("objects"), tok=np.array([_Evil(ran)] * 4, dtype=object))
    npz(at("float64"), attr=np.arange(4.0))
    npz(at("big_endian"), attr=np.arange(4, dtype=">f4"))
    npz(at("two_dimensions"), attr=np.zeros((2, 2), np.float32))
    npz(at("no_attr"), attr=None)
    npz(at("no_span"), span_out=None)
    npz(at("text_span"), span_in=np.array(["0", "3"]))
    npz(at("outside"), span_in=np.array([0, 4]))
    npz(at("backwards"), span_in=np.array([3, 0]))
    npz(at("short_tok"), tok=np.array(["a"]))
    npz(at("number_tok"), tok=np.arange(4))
    npz(at("text_score"), rise=np.array("0.5"))
    npz(at("many_scores"), rise=np.array([0.5, 0.5]))
    npz(at("hop_of_another"), hop=np.zeros((2, 5), np.float32))
    npz(at("flat_hop"), hop=np.zeros(4, np.float32))
    npz(at("too_many_hops"), hop=np.zeros((1025, 4), np.float32))
    codes = np.full(4, 0x110000, np.uint32)
    npz(at("no_character"), tok=codes.view("<U1"))
    raw_npy(at("no_width"), _DESCR % ("<U0", "4294967295,"))
    raw_npy(at("no_shape"), _DESCR % ("<f4", "-1,"))
    raw_npy(at("long_header"), _DESCR % ("<f4", "4,"), version=b"\2\0")
    raw_npy(at("no_numpy"), "")
    raw_npy(at("endless_hops"), _DESCR % ("<f4", "0,"))
    write_bomb(at("bomb"), hop=("<f4", (3000, 100_000)))
    inner = {f"a/b/ifr_1ex/{n}.npz": bytes(1 << 20) for n in range(5)}
    zipped(tmp_path / "zeros.zip", inner)
    lying = bytearray(zipped(tmp_path / "lying.zip", {"x/y/ifr_1ex/z.npz": whole}).read_bytes())
    struct.pack_into("<I", lying, directory(lying) + 24, 100)
    (tmp_path / "lying.zip").write_bytes(lying)
    expected = {path.name for path in tmp_path.glob("*.npz")} - {"whole.npz"}

    browser = give(*sorted(tmp_path.glob("*.npz")), *sorted(tmp_path.glob("*.zip")))
    told = failed(browser)
    inside = {name for name in told if "/" in name}
    assert {name.rsplit("/", 1)[-1] for name in inside} == {
        *(f"{n}.npz" for n in range(5)),
        "z.npz",
    }
    assert told.keys() - inside == expected
    assert not any("cannot be read (" in reason for reason in told.values()), told
    assert told["encrypted.npz"] == "it is encrypted"
    assert "checksum" in told["wrong_crc.npz"]
    assert told["larger_than_it_says.npz"] == "it holds more than it says"
    assert told["bomb.npz"] == "it inflates to more than a sample does"
    assert told["objects.npz"] == "it holds an array that cannot be read"
    assert not ran.exists()
    # the page is alive, and shows what is whole; what is not, when it is asked for, with the reason
    assert [name.split()[-1] for name in names(browser)] == ["whole"]
    one_of(browser, "#samples a").click()
    wait_for(browser, "document.querySelectorAll('.run > span').length === 4")
    browser.execute_script("location.hash = '#s=bomb.npz'")
    wait_for(browser, "!document.getElementById('problem').hidden")
    assert "inflates to more" in one_of(browser, "#problem").text


class _Evil:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_zip_that_is_none(give: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\5\6" + bytes(18))
    (tmp_path / "b.zip").write_bytes(b"no")
    browser = give(tmp_path / "a.zip", tmp_path / "b.zip")
    assert "b.zip: it is no zip archive" in one_of(browser, "#trouble").text
    # who chose the wrong files chooses others
    assert one_of(browser, "#drop").is_displayed()
    one_of(browser, "#pick-files").send_keys(str(sample(tmp_path / "ex_000000.npz")))
    wait_for(browser, READ)
    assert len(names(browser)) == 1
    assert not one_of(browser, "#trouble").is_displayed()


def test_a_file_that_is_gone_when_it_is_opened(give: Callable[..., Any], tmp_path: Path) -> None:
    browser = give(sample(tmp_path / "ex_000000.npz"), sample(tmp_path / "ex_000001.npz"))
    (tmp_path / "ex_000000.npz").unlink()
    all_of(browser, "#samples a")[0].click()
    wait_for(browser, "!document.getElementById('problem').hidden")
    assert "cannot be read (NotFoundError)" in one_of(browser, "#problem").text
    press(browser, "g")
    all_of(browser, "#samples a")[1].click()
    wait_for(browser, "!!document.querySelector('.run > span')")


def test_hundreds_of_files(give: Callable[..., Any], tmp_path: Path) -> None:
    content = sample(tmp_path / "x.npz", *["word "] * 500).read_bytes()
    tag = "output/math/qwen-8B/ifr_n1_100ex"
    made = zipped(
        tmp_path / "many.zip", {f"{tag}/ex_{number:06d}.npz": content for number in range(100)}
    )
    browser = give(made)
    assert one_of(browser, "#found").text == "100 of 100 samples"
