"""Pickles as data: all that numpy writes is read, and nothing a file asks for is ever run."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.errors import SourceError
from dmd_runtime.training.safe_pickle import read_pickle

CONTENT: dict[str, Any] = {
    "rows": np.arange(6.0, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "turned": np.arange(24, dtype=np.float16).reshape(2, 3, 4).transpose(1, 0, 2),
    "every other": np.arange(10)[::2],
    "none": np.empty((0, 3)),
    "one": np.array(5.0),
    "other order": np.arange(3, dtype=">i4"),
    "bools": np.array([True, False]),
    "texts": np.array(["ab", "€"]),
    "bytes of texts": np.array([b"ab"]),
    "objects": np.array(["x", 1, None, 2.5], dtype=object),
    "scalar": np.float32(3),
    "whole": np.int64(7),
    "text scalar": np.str_("hi"),
    "b": b"",
    "bytes": b"\x80\xff",
    "list": [1, 2, (3, 4, 5, 6), True, None, {"deep": -1.5}],
    "large": 10**30,
    "text": "€\n'",
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_what_numpy_writes_is_read(protocol: int, core: str, tmp_path: Path) -> None:
    content = CONTENT | {"again": CONTENT["rows"]}
    body = pickle.dumps(content, protocol=protocol)
    if core == "numpy.core":  # what numpy 1 wrote; lengths of short texts go along
        body = body.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
        body = body.replace(b"\x8c\x13numpy._core.numeric", b"\x8c\x12numpy.core.numeric")
        body = body.replace(b"cnumpy._core.", b"cnumpy.core.")
        assert b"numpy._core" not in body
    read = read_pickle(_file(tmp_path, body))
    assert list(read) == list(content)
    for name, expected in content.items():
        assert _same(read[name], expected), name
    assert read["again"] is read["rows"]


def test_arrays_stay_in_the_file(tmp_path: Path) -> None:
    """A view of the mapped file: nothing is copied, and nothing can be written."""
    read = read_pickle(_file(tmp_path, pickle.dumps(np.zeros(1000), protocol=4)))
    assert isinstance(read.base, np.ndarray | memoryview)
    assert not read.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        read[0] = 1


class _Hostile:
    """Pickles to a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def _nested(evil: Any) -> Any:
    array = np.empty(1, dtype=object)
    array[0] = evil
    return {"train": {"id": array}}


class _Old:
    """Of the user's own."""


HOSTILE: dict[str, tuple[Any, str]] = {
    "a command": (lambda flag: _Hostile(os.mkdir, flag), "mkdir"),
    "eval": (lambda flag: _Hostile(builtins.eval, f"__import__('os').mkdir({flag!r})"), "eval"),
    "in an array of objects": (lambda flag: _nested(_Hostile(os.mkdir, flag)), "mkdir"),
    "getattr": (lambda flag: _Hostile(getattr, _Hostile(__import__, "os"), "mkdir"), "(getattr|__import__)"),
    "a class": (lambda _: _Old(), r"copy_?reg\._reconstructor|_Old"),
    "an ordered dictionary": (lambda _: OrderedDict(a=1), "OrderedDict"),
    "a set": (lambda _: {1, 2}, "set|EMPTY_SET"),
    "numpy's loader": (lambda flag: _Hostile(np.load, flag), r"numpy\.load"),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_run(name: str, protocol: int, tmp_path: Path) -> None:
    flag = tmp_path / "it ran"
    make, says = HOSTILE[name]
    path = _file(tmp_path, pickle.dumps(make(str(flag)), protocol=protocol))
    with pytest.raises(SourceError, match=says) as refused:
        read_pickle(path)
    assert not flag.exists()
    assert str(path) in str(refused.value)
    assert "nothing of it was run" in str(refused.value)
    assert "\n" not in str(refused.value)


def _said(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


BY_HAND: dict[str, tuple[bytes, str]] = {
    "INST": (b"(S'true'\nios\nsystem\n.", "os system"),
    "OBJ": (b"(cos\nsystem\nS'true'\no.", r"os\.system"),
    "OBJ of an allowed name": (b"(cnumpy\nndarray\nI1\no.", "OBJ"),
    "NEWOBJ of an allowed name": (b"cnumpy\nndarray\n)\x81.", "NEWOBJ"),
    "a dotted name": (_said("numpy") + _said("dtype.__class__") + b"\x93.", r"numpy\.dtype\.__class__"),
    "a dotted module": (b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.", "__globals__"),
    "a name that is no text": (b"I1\nI2\n\x93.", "asks for a int.a int"),
    "copyreg's extensions": (b"\x82\x01.", "EXT1"),
    "a persistent id": (b"Pos.system\n.", "PERSID"),
    "a persistent id of any kind": (b"N" + b"Q.", "BINPERSID"),
    "a buffer from elsewhere": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "a state for a dictionary": (b"}}b.", "state of a dict"),
    "a state for a name": (b"cnumpy\nndarray\n}b.", "state of a _Symbol"),
    "a call of a text": (b"S'os'\n)R.", "calls a str"),
    "a call of a class": (b"cnumpy\nndarray\n)R.", "calls ndarray"),
    "a name as a value": (b"]cnumpy\nndarray\na.", "names or unfinished"),
    "an array never filled": (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.", "unfinished"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_no_opcode_makes_an_object(name: str, tmp_path: Path) -> None:
    body, says = BY_HAND[name]
    with pytest.raises(SourceError, match=says):
        read_pickle(_file(tmp_path, body))


def _array(shape: str, dtype: bytes, content: bytes, order: str = "<") -> bytes:
    kind = b"(cnumpy\ndtype\n(" + dtype + b"I00\nI01\ntR(I3\nS'" + order.encode() + b"'\nNNNI-1\nI-1\nI0\ntb"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n" + shape.encode()
    return made + kind[1:] + b"I00\n" + content + b"tb."


LIES: dict[str, tuple[bytes, str]] = {
    "an array of a terabyte": (_array("(I1000000000000\nt", b"S'f8'\n", b"S'12345678'\n"), "expected 8000000000000 b"),
    "an array of many axes": (_array("(" + "I1\n" * 40 + "t", b"S'f8'\n", b"S'12345678'\n"), "shape"),
    "a negative size": (_array("(I-1\nt", b"S'f8'\n", b"S''\n"), "shape"),
    "objects from bytes": (_array("(I1\nt", b"S'O8'\n", b"S'12345678'\n"), "objects in a list"),
    "fewer objects than said": (_array("(I9\nt", b"S'O8'\n", b"]"), "9 objects"),
    "a list among objects": (_array("(I1\nt", b"S'O8'\n", b"(]l"), "holds a list"),
    "a dtype with fields": (_array("(I1\nt", b"S'V8'\n", b"S'12345678'\n"), "dtype of numbers"),
    "a dtype by expression": (_array("(I1\nt", b"S'f8,O'\n", b"S'12345678'\n"), "dtype of numbers"),
    "an order of bytes that is none": (_array("(I1\nt", b"S'f8'\n", b"S'12345678'\n", order="x"), "plain dtype"),
    "bytes from the air": (b"c__builtin__\nbytes\n(I1000000000\ntR.", "no arguments of bytes"),
    "a codec": (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "latin1"),
    "bytes longer than the file": (b"\x8e" + struct.pack("<Q", 2**40) + b"ab.", "expected 1099511627776 bytes"),
    "a text longer than the file": (b"\x8d" + struct.pack("<Q", 2**40) + b"ab.", "damaged"),
    "a negative length": (b"T" + struct.pack("<i", -1) + b".", "damaged"),
    "a list as a key": (b"}]I1\ns.", "as keys"),
    "something else to add to": (b"I1\nI2\na.", "a list to add to"),
    "a mark too few": (b"t.", "damaged"),
    "two values": (b"NN.", "damaged"),
    "a memo that is not there": (b"h\x07.", "damaged"),
    "no opcode": (b"\xff\xff", "expected an opcode"),
    "nothing": (b"", "expected a pickle file"),
    "a zip": (b"PK\x03\x04" + bytes(40), "damaged"),
    "text": (b"video_id,clip_id\n", "expected an opcode"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused(name: str, tmp_path: Path) -> None:
    body, says = LIES[name]
    with pytest.raises(SourceError, match=says):
        read_pickle(_file(tmp_path, body))


def test_every_cut_is_found(tmp_path: Path) -> None:
    body = pickle.dumps(CONTENT, protocol=4)
    for size in range(1, len(body), 7):
        with pytest.raises(SourceError):
            read_pickle(_file(tmp_path, body[:size]))


def test_a_place_in_the_memo_may_be_any_number(tmp_path: Path) -> None:
    """Python's own machine makes room up to it: 32 GiB here."""
    assert read_pickle(_file(tmp_path, b"Nr\xff\xff\xff\xff.")) is None


def test_a_list_is_not_made_into_arrays_for_ever(tmp_path: Path) -> None:
    """A list named again costs two bytes in the file, and the array that is made of it eight for each object."""
    count = 4_000
    array = _array(f"(I{count}\nt", b"S'O8'\n", b"h\x00", order="|").removesuffix(b".")
    body = b"(](" + b"N" * count + b"eq\x00" + array * 20 + b"t."
    assert len(body) < 4 * count * 2
    with pytest.raises(SourceError, match="no more bytes or objects"):
        read_pickle(_file(tmp_path, body))


def test_a_text_is_not_copied_for_ever(tmp_path: Path) -> None:
    text = b"X" + struct.pack("<I", 10_000) + b"a" * 10_000 + b"q\x00"
    again = b"c_codecs\nencode\n(h\x00Vlatin1\ntR"
    with pytest.raises(SourceError, match="no more bytes or objects"):
        read_pickle(_file(tmp_path, b"(" + text + again * 5 + b"t."))


def test_depth_breaks_nothing(tmp_path: Path) -> None:
    deep = 20 * sys.getrecursionlimit()
    assert isinstance(read_pickle(_file(tmp_path, b"]" + b"]" * deep + b"a" * deep + b".")), list)
    assert isinstance(read_pickle(_file(tmp_path, b")" + b"\x85" * deep + b".")), tuple)


def test_many_names_of_one_list_take_no_time(tmp_path: Path) -> None:
    """Ten in ten in ten, thirty levels: a walk that looks at everything would not end."""
    level = b"0]" + b"h\x00a" * 10 + b"q\x00"
    found = read_pickle(_file(tmp_path, b"]q\x00" + level * 30 + b"."))
    assert len(found) == 10
    assert found[0] is found[9]


@pytest.mark.parametrize("call", [b"c_codecs\nencode\n(Vx\nh\x00tR.", b"cnumpy\ndtype\n(h\x00tR.", b"h\x00h\x00\x93."])
def test_what_has_no_end_is_not_quoted(call: bytes, tmp_path: Path) -> None:
    level = b"0]" + b"h\x00a" * 10 + b"q\x00"
    with pytest.raises(SourceError, match="a list"):
        read_pickle(_file(tmp_path, b"]q\x00" + level * 30 + call))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_pickle(tmp_path / "nothing.pkl")


def _file(folder: Path, body: bytes) -> Path:
    path = folder / "file.pkl"
    path.write_bytes(body)
    return path


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, np.ndarray):
        return found.dtype == expected.dtype and found.shape == expected.shape and np.array_equal(found, expected)
    if isinstance(expected, bytes):
        return bytes(found) == expected
    return type(found) is type(expected) and found == expected
