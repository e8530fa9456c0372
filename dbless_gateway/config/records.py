"""Frozen, slotted dataclasses that cost a third to import.

``dataclasses`` compiles six methods for each class and makes the class twice. For the entities alone that is
more than a tenth of the time that ``validate`` has in a save hook. A class made by ``frozen`` is a dataclass
to everybody (``fields``, ``replace``, ``asdict``, type checkers); only its constructor is compiled, and all
classes share the other methods.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, fields
from dataclasses import dataclass as _dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    # Used as ``@dataclass(frozen=True, slots=True)``, so that type checkers see what they know.
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: bool, slots: bool) -> Any:
        """Return the decorator; there is one kind of class, and both flags only spell it out."""
        assert (frozen, slots) == (True, True), "that is what this is for"
        return _make


def _make(cls: type) -> type:
    # The text would be made from a signature, at some cost, and nobody reads it.
    cls.__doc__ = cls.__doc__ or cls.__name__
    made: Any = _dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    made.__init__ = _constructor(made)
    made.__eq__, made.__hash__, made.__repr__ = _equal, _hash, _show
    made.__setattr__, made.__delattr__ = _refuse_to_set, _refuse_to_delete
    made.__getstate__, made.__setstate__ = _values, _restore
    return made  # type: ignore[no-any-return]


def _constructor(cls: type) -> Any:
    """Compile ``__init__``: the setters of the slots get round the ban on assignments."""
    names = {f"_set_{field.name}": getattr(cls, field.name).__set__ for field in fields(cls)}
    parameters, lines = ["self"], ["pass"]
    for field in fields(cls):
        assert field.default_factory is MISSING, "a shared default must be immutable"
        parameters.append(field.name)
        if field.default is not MISSING:
            names[f"_default_{field.name}"] = field.default
            parameters[-1] += f"=_default_{field.name}"
        lines.append(f"_set_{field.name}(self, {field.name})")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines), names)
    return names["__init__"]


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__dataclass_fields__])


def _restore(self: Any, values: tuple[Any, ...]) -> None:
    for name, value in zip(self.__dataclass_fields__, values, strict=True):
        object.__setattr__(self, name, value)


def _equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _show(self: Any) -> str:
    shown = [f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr]
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: object, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
