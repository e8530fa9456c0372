"""Slotted dataclasses that cost a tenth to make.

``dataclasses`` compiles six methods for each class, makes the class twice, and imports a disassembler and two
parsers of Python for it. That is a fifth of the time that ``validate`` has in a save hook. A class made here
is a dataclass to everybody (``fields``, ``replace``, ``asdict``, type checkers), yet the module
``dataclasses`` is imported only when somebody asks for that, a constructor is compiled for the first
instance, and all classes share the other methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    # Used as ``@dataclass(frozen=True, slots=True)``, so that type checkers see what they know.
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:

    def dataclass(*, slots: bool, frozen: bool = False, eq: bool = True) -> Any:
        """Return the decorator."""
        assert slots, "that is what this is for"
        return partial(_make, frozen=frozen, eq=eq)

    def field(*, default: Any = ..., default_factory: Any = None, repr: bool = True) -> Any:
        """Say of a field what its default alone cannot say."""
        return _Field(default, default_factory, repr)

    def replace(record: Any, /, **changes: Any) -> Any:
        """Return a copy of a record with some fields changed."""
        return record.__class__(**dict(zip(record.__match_args__, _values(record), strict=True)) | changes)


class _Field(NamedTuple):
    default: Any = ...  # an Ellipsis stands for "none": no record has it as a value
    factory: Callable[[], Any] | None = None
    shown: bool = True


class _Description:
    """What ``dataclasses`` keeps of a class, made when somebody asks for it."""

    def __init__(self, fields: dict[str, _Field], types: dict[str, Any]) -> None:
        self._fields = fields
        self._types = types
        self._made: dict[str, Any] | None = None

    def __get__(self, instance: object, owner: type) -> dict[str, Any]:
        if self._made is None:
            import dataclasses

            described = []
            for name, given in self._fields.items():
                default: Any = {} if given.default is ... else {"default": given.default}
                if given.factory is not None:
                    default = {"default_factory": given.factory}
                described.append((name, self._types[name], dataclasses.field(repr=given.shown, **default)))
            model: Any = dataclasses.make_dataclass(owner.__name__, described)
            self._made = model.__dataclass_fields__
        assert self._made is not None
        return self._made


def _make(cls: type, *, frozen: bool, eq: bool) -> type:
    """Make the class anew, because slots cannot be added to one."""
    content = dict(cls.__dict__)
    types = content.get("__annotations__", {})
    if not all(isinstance(kind, str) for kind in types.values()):
        # Compiled: a native class has its slots, and only the real decorator can complete it.
        import dataclasses

        return dataclasses.dataclass(frozen=frozen, eq=eq)(cls)
    for of_the_first in ("__dict__", "__weakref__"):
        content.pop(of_the_first, None)
    names = tuple([name for name in types if not types[name].startswith("ClassVar")])
    given = {name: content.pop(name, ...) for name in names}
    fields = {name: value if isinstance(value, _Field) else _Field(value) for name, value in given.items()}
    content |= {
        "__slots__": names,
        "__match_args__": names,
        "__doc__": cls.__doc__ or cls.__name__,
        "__dataclass_fields__": _Description(fields, types),
        "__getstate__": _values,
        "__setstate__": _restore,
    }
    content.setdefault("__repr__", _shower([name for name in fields if fields[name].shown]))
    if eq:
        content |= {"__eq__": _equal, "__hash__": _hash if frozen else None}
    made: Any = type(cls)(cls.__name__, cls.__bases__, content)
    made.__qualname__ = cls.__qualname__
    made.__init__ = _late_constructor(made, fields)
    if frozen:
        made.__setattr__, made.__delattr__ = _refuse_to_set, _refuse_to_delete
    return made  # type: ignore[no-any-return]


def _late_constructor(cls: Any, fields: dict[str, _Field]) -> Any:
    """Return what compiles ``__init__`` when the first instance is made: most classes never have one."""

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        cls.__init__ = _constructor(cls, fields)
        cls.__init__(self, *arguments, **named)

    return __init__


def _constructor(cls: Any, fields: dict[str, _Field]) -> Any:
    """Compile ``__init__``: the setters of the slots get round the ban on assignments."""
    names: dict[str, Any] = {"_absent": ...}
    parameters, lines = ["self"], ["pass"]
    for name, given in fields.items():
        names[f"_set_{name}"] = getattr(cls, name).__set__
        value = name
        parameters.append(name)
        if given.factory is not None:
            names[f"_make_{name}"] = given.factory
            parameters[-1] += "=_absent"
            value = f"_make_{name}() if {name} is _absent else {name}"
        elif given.default is not ...:
            names[f"_default_{name}"] = given.default
            parameters[-1] += f"=_default_{name}"
        lines.append(f"_set_{name}(self, {value})")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines), names)
    return names["__init__"]


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _restore(self: Any, values: tuple[Any, ...]) -> None:
    for name, value in zip(self.__match_args__, values, strict=True):
        object.__setattr__(self, name, value)


def _equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _shower(names: list[str]) -> Callable[[object], str]:
    def show(self: object) -> str:
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{self.__class__.__qualname__}({shown})"

    return show


def _refuse_to_set(self: object, name: str, value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")
