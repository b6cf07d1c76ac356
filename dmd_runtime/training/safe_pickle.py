"""Pickles that nobody vouches for: read as data, never as a program.

A pickle is a program for a small stack machine, and Python's own machine imports and calls what the file asks for. The
one here knows a closed table of names (what numpy writes for its arrays) as inert symbols: nothing is imported, nothing
of the file's is called, no class is instantiated, and every array is a view of bytes that are in the file, so that no
size in it can make anything large. Arrays stay in the file and are paged in as they are read.

The opcodes' arguments are decoded by the standard library's :mod:`pickletools`.
"""

from __future__ import annotations

import codecs
import math
import mmap
import pickletools
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np

from dmd_runtime.errors import SourceError

ALLOWED: Final = {
    **{
        (f"numpy.{core}.{module}", name): name
        for core in ("core", "_core")  # numpy 1 and 2
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    },
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("builtins", "bytes"): "bytes",
    ("__builtin__", "bytes"): "bytes",
}
"""The names a file may say, and which of ours each one is."""
_DTYPE = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f[248]|[SU][1-9]\d{0,6}|O8?)")
_KEYS = str | bytes | int | float | None
_LEAVES = str | int | float | np.generic | None
_OPCODES: Final = {opcode.code: opcode for opcode in pickletools.opcodes}
_BYTES: Final = {"BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}
"""Opcodes whose bytes stay in the file, and the size of their length."""
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS: Final = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXTS: Final = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_VALUES: Final = _NUMBERS | _TEXTS | {"SHORT_BINBYTES", *_BYTES}
"""Opcodes that push their argument."""
_BROKEN = (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, struct.error)


class _RefusedError(Exception):
    """The rest of "expected plain data, got …"."""


@dataclass(frozen=True)
class _Symbol:
    """A name that the file says; it can do nothing."""

    name: str


@dataclass
class _Kind:
    """A dtype in the making: ``code`` as numpy writes it, ``order`` of its bytes."""

    code: str
    order: str = "<"

    @property
    def objects(self) -> bool:
        return self.code.lstrip("<>=|").startswith("O")

    @property
    def dtype(self) -> np.dtype[Any]:
        code = self.code if self.code[0] in "<>=|" else self.order + self.code
        return np.dtype(code)


@dataclass
class _Shell:
    """What stands for an array until the file has said what is in it."""

    array: Any = None


def read_pickle(path: Path) -> Any:
    """Read dicts, lists, tuples, texts, bytes, numbers and numpy arrays; pickle protocols 0 to 5, numpy 1 and 2.

    Arrays are read-only views of the mapped file, in its byte order. Arrays of objects hold texts and numbers only.
    Bytes may come as :class:`memoryview`.

    Raises
    ------
    SourceError
        The file cannot be read, is damaged or no pickle, or asks for anything else; names what it asked for.
    """
    try:
        with path.open("rb") as file:
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path}: expected a pickle file, got: {reason}") from error
    machine = _Machine(pages)
    try:
        return machine.run()
    except _RefusedError as error:
        raise SourceError(
            f"{path}: expected plain data (dicts, lists, texts, numbers, numpy arrays), got {error} at byte "
            f"{machine.at}; nothing of it was run"
        ) from None
    except _BROKEN as error:
        first = " ".join(str(error).split())[:100] or type(error).__name__
        raise SourceError(
            f"{path}: expected a whole pickle, got a damaged one at byte {machine.at}: {first}"
        ) from error


@dataclass
class _Machine:
    """The stack machine; ``at`` is where the current opcode stands."""

    pages: mmap.mmap
    at: int = 0
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    encoded: int = 0

    def run(self) -> Any:
        pages, view = self.pages, memoryview(self.pages)
        while True:
            self.at = pages.tell()
            code = pages.read(1)
            opcode = _OPCODES.get(code.decode("latin-1"))
            if opcode is None:
                raise ValueError(f"expected an opcode, got {code!r}" if code else "it ends too early")
            name = opcode.name
            argument: Any = None
            if name in _BYTES:
                argument = self._bytes(view, _BYTES[name])
            elif name == "STRING":  # pickletools takes ASCII only
                argument = codecs.escape_decode(pages.readline().strip()[1:-1])[0].decode("latin-1")
            elif opcode.arg is not None:
                argument = opcode.arg.reader(cast("IO[bytes]", pages))
            if name == "STOP":
                (value,) = self.stack
                _require_plain(value)
                return value
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _OPERATIONS:
                _OPERATIONS[name](self, argument)
            else:
                what = f"{argument} by {name}" if argument is not None else name
                raise _RefusedError(f"a pickle that makes objects ({' '.join(str(what).split())[:100]})")

    def _bytes(self, view: memoryview, width: int) -> memoryview:
        length = int.from_bytes(self.pages.read(width), "little")
        begin = self.pages.tell()
        if begin + length > len(view):
            raise ValueError(f"expected {length} bytes, it has {len(view) - begin} more")
        self.pages.seek(begin + length)
        return view[begin : begin + length]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"expected a {kind.__name__} to add to, got a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        self.stack.pop() if self.stack else self.to_mark()

    def put(self, key: int | None) -> None:
        self.memo[len(self.memo) if key is None else key] = self.stack[-1]

    def get(self, key: int) -> None:
        value = self.memo[key]
        built = isinstance(value, _Shell) and value.array is not None
        self.stack.append(value.array if built else value)

    def items(self, items: list[Any]) -> None:
        into = self.top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS):
                raise ValueError(f"expected texts and numbers as keys, got a {type(key).__name__}")
            into[key] = value

    def dictionary(self, _: Any) -> None:
        found = self.to_mark()
        self.stack.append({})
        self.items(found)

    def last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("a value is missing")
        found = self.stack[-count:]
        del self.stack[-count:]
        return found

    def named(self, said: str) -> None:
        self._symbol(*said.split(" ", 1))

    def stack_named(self, _: Any) -> None:
        self._symbol(*self.last(2))

    def _symbol(self, module: Any, name: Any) -> None:
        known = ALLOWED.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
        if known is None:
            raise _RefusedError(f"a pickle that asks for {_brief(module)}.{_brief(name)}")
        self.stack.append(_Symbol(known))

    def reduce(self, _: Any) -> None:
        function, arguments = self.last(2)
        if not isinstance(function, _Symbol) or not isinstance(arguments, tuple):
            raise _RefusedError(f"a pickle that calls a {type(function).__name__}")
        call = _CALLS.get(function.name)
        if call is None:
            raise _RefusedError(f"a pickle that calls {function.name}")
        made = call(*arguments)
        if function.name == "encode":
            self._charge(made)
        self.stack.append(made)

    def _charge(self, content: bytes | str | list[Any]) -> None:
        """Count what is copied: one text or list may be named again and again, and would be copied each time."""
        self.encoded += len(content)
        if self.encoded > len(self.pages):
            raise ValueError("expected no more bytes or objects than the file has bytes")

    def build(self, _: Any) -> None:
        made, state = self.last(2)
        if isinstance(made, _Kind):
            _order(made, state)
            self.stack.append(made)
        elif isinstance(made, _Shell) and made.array is None:
            content = state[-1] if isinstance(state, tuple) and state else None
            if isinstance(content, list | str):  # bytes are viewed, these are copied
                self._charge(content)
            made.array = _filled(state)
            self.stack.append(made.array)
        else:
            raise _RefusedError(f"a pickle that sets the state of a {type(made).__name__}")


_OPERATIONS: Final[Mapping[str, Callable[[_Machine, Any], Any]]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda *_: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda machine, _: machine.to_mark(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "DICT": _Machine.dictionary,
    "LIST": lambda machine, _: machine.push(machine.to_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.to_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.last(3))),
    "APPEND": lambda machine, _: (item := machine.stack.pop(), machine.top(list).append(item)),
    "APPENDS": lambda machine, _: (items := machine.to_mark(), machine.top(list).extend(items)),
    "SETITEM": lambda machine, _: machine.items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.items(machine.to_mark()),
    "GLOBAL": _Machine.named,
    "STACK_GLOBAL": _Machine.stack_named,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _encode(text: Any, encoding: Any) -> bytes:
    """How protocols 0 to 2 write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError(f"expected text encoded as latin1, got {_brief(encoding)}")
    return text.encode("latin-1")


def _bytes(*arguments: Any) -> bytes:
    """How protocols 0 to 2 write no bytes at all."""
    if arguments:
        raise ValueError("expected no arguments of bytes")
    return b""


def _kind(code: Any, *flags: Any) -> _Kind:
    if not isinstance(code, str) or not _DTYPE.fullmatch(code) or len(flags) > 2:
        raise ValueError(f"expected a dtype of numbers, texts or objects, got {_brief(code)}")
    return _Kind(code)


def _order(kind: _Kind, state: Any) -> None:
    """The state of a dtype: only the order of its bytes is read; fields, shapes and metadata are refused."""
    if not isinstance(state, tuple) or len(state) != 8 or state[1] not in ("<", ">", "=", "|") or any(state[2:5]):
        raise ValueError("expected a plain dtype, got one with fields, a shape or metadata")
    kind.order = state[1]


def _shell(subtype: Any, shape: Any, code: Any) -> _Shell:
    if subtype != _Symbol("ndarray") or shape != (0,) or code not in (b"b", "b"):
        raise ValueError("expected an empty array to begin with")
    return _Shell()


def _filled(state: Any) -> np.ndarray[Any, Any]:
    """An array from its state: (version, shape, dtype, column-major, bytes or list)."""
    _, shape, kind, columns, content = state
    if not isinstance(kind, _Kind):
        raise ValueError(f"expected a dtype, got a {type(kind).__name__}")
    if not kind.objects:
        return _viewed(content, kind, shape, "F" if columns else "C")
    if not isinstance(content, list) or len(content) != _count(shape):
        raise ValueError(f"expected {_count(shape)} objects in a list")
    strange = next((item for item in content if not isinstance(item, _LEAVES)), None)
    if strange is not None:
        raise _RefusedError(f"an array that holds a {type(strange).__name__}")
    array = np.empty(len(content), dtype=object)
    array[:] = content
    return array.reshape(shape, order="F" if columns else "C")


def _viewed(content: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> np.ndarray[Any, Any]:
    """An array as a view of its bytes."""
    if not isinstance(kind, _Kind) or kind.objects or order not in ("C", "F", "K"):
        raise ValueError("expected a dtype of numbers or texts, in rows or columns")
    body = content.encode("latin-1") if isinstance(content, str) else content
    if not isinstance(body, bytes | memoryview):
        raise ValueError(f"expected bytes, got a {type(content).__name__}")
    if len(body) != _count(shape) * kind.dtype.itemsize:
        raise ValueError(f"expected {_count(shape) * kind.dtype.itemsize} bytes for {shape}, got {len(body)}")
    flat: np.ndarray[Any, Any] = np.frombuffer(body, dtype=kind.dtype) if body else np.empty(0, dtype=kind.dtype)
    if order == "K" and axes is not None:
        array = flat.reshape(shape).transpose(axes)
    else:
        array = flat.reshape(shape, order="F" if order == "F" else "C")
    array.flags.writeable = False
    return array


def _scalar(kind: Any, content: Any) -> Any:
    return _viewed(content, kind, (1,), "C")[0]


def _count(shape: Any) -> int:
    """Items of an array of that shape."""
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("expected a shape of whole numbers")
    return math.prod(shape)


_CALLS: Final[Mapping[str, Callable[..., Any]]] = {
    "_reconstruct": _shell,
    "_frombuffer": _viewed,
    "scalar": _scalar,
    "dtype": _kind,
    "encode": _encode,
    "bytes": _bytes,
}


def _brief(said: Any) -> str:
    """A text of the file on one line; of anything else its type, for its text may have no end."""
    return " ".join(said.split())[:100] if isinstance(said, str) else f"a {type(said).__name__}"


def _require_plain(value: Any) -> None:
    """Refuse what is not data; each thing is looked at once, however often it is named, and none within another."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list | tuple):
            if id(item) not in seen:
                seen.add(id(item))
                waiting += item.values() if isinstance(item, dict) else item
        elif isinstance(item, _Symbol | _Kind | _Shell):
            raise _RefusedError("a pickle whose values are names or unfinished arrays")
