"""Mutants: what a safeguard's removal is made of, and how it is put in place and taken out again.

A mutant changes a function of the product in this process alone: its source is taken, a passage in
it is exchanged, and the result stands where the function stood. A passage that is not there any
more is an error, so a mutant cannot quietly lose its subject.
"""

from __future__ import annotations
import __future__

import contextlib
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from krakked.worlds.recipe import Recipe

CRASH: Final = "crash"


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a class or a module, or row of a table, and what stands there instead."""

    owner: object
    name: object
    make: Callable[[object], object]
    """From what stands there to what shall."""


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One safeguard less."""

    name: str
    breaks: str
    """The sentence that is not true any more."""
    patches: tuple[Patch, ...]
    mixture: Callable[[Recipe], Recipe]
    """Makes of any recipe one that should expose it."""
    may_crash: bool = False
    """Whether an engine's crash is a way to notice it, and no mistake of the mutant."""


def passage(owner: object, name: str, old: str, new: str) -> Patch:
    """The function with another passage; it must have that passage once."""
    return Patch(owner=owner, name=name, make=lambda function: rewritten(function, old, new))


def value(owner: object, name: str, instead: object) -> Patch:
    """Something else in its place."""
    return Patch(owner=owner, name=name, make=lambda _: instead)


def around(owner: object, name: str, wrap: Callable[..., object]) -> Patch:
    """A function that gets the true one as its first argument."""

    def make(function: object) -> object:
        def wrapped(*args: object, **kwargs: object) -> object:
            return wrap(function, *args, **kwargs)

        return wrapped

    return Patch(owner=owner, name=name, make=make)


def rewritten(function: object, old: str, new: str) -> object:
    """The same function with ``new`` in the place of ``old``."""
    bare = function.fget if isinstance(function, property) else function
    assert isinstance(bare, types.FunctionType), f"{function} is no function"
    source = inspect.getsource(bare)
    assert source.count(old) == 1, f"{bare.__qualname__} has {source.count(old)} times: {old!r}"
    flags = __future__.annotations.compiler_flag
    code = compile(
        textwrap.dedent(source.replace(old, new)),
        inspect.getfile(bare),
        "exec",
        flags=flags,
        dont_inherit=True,
    )
    found: dict[str, object] = {}
    exec(code, bare.__globals__, found)  # noqa: S102 - the mutant is made of the source itself
    return found[bare.__name__]


@contextlib.contextmanager
def mutated(patches: tuple[Patch, ...]) -> Iterator[None]:
    """As long as the block lasts."""
    with contextlib.ExitStack() as stack:
        for patch in patches:
            before = standing(patch.owner, patch.name)
            after = patch.make(before)
            _put(patch, after)
            stack.callback(_put, patch, before)
        yield


def standing(owner: object, name: object) -> object:
    """What stands there, without any binding."""
    space: Mapping[Any, object] = owner if isinstance(owner, dict) else vars(owner)
    assert name in space, f"{owner} has no {name} of its own"
    return space[name]


def _put(patch: Patch, what: object) -> None:
    if isinstance(patch.owner, dict):
        patch.owner[patch.name] = what
    else:
        setattr(patch.owner, str(patch.name), what)
