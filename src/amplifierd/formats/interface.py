"""The interface of message formats: reads one kind of message into the contract's `NewMessage`, and writes it back."""

from typing import Any, Protocol, TypedDict

Object = dict[str, Any]

ROLES = frozenset({"user", "assistant", "system", "developer", "tool"})


class ContentNotConvertible(ValueError):
    """A part can't be written in a format: its text says which and why."""


class _Required(TypedDict):
    role: str
    parts: list[Object]


class Message(_Required, total=False):
    """A message as `NewMessage` of the contract has it, ready to be sent; and as much of a `Message` that was read."""

    metadata: Object
    model: str
    usage: Object


class Format(Protocol):
    """One published kind of message, of one provider or program.

    What the contract has no field for goes into a part's `native` and the message's `metadata`, each under the
    format's `name`; a block of a type that the format does not know becomes a part `data` of the kind `name.type`. So
    `write(read(source)) == source` for every JSON object, and arguments that are text stay so byte for byte.

    A `file` part may have a `data:` URL of any length: whoever sends it to a server uploads it first.
    """

    @property
    def name(self) -> str:
        """What the format is called in `native`, `metadata` and `kind`: lower case, digits, `-`."""

    def read(self, source: Object, /) -> Message:
        """The message that a provider's message or item is; it shares values with `source`."""

    def write(self, message: Message, /) -> Object:
        """The provider's message or item that a message is.

        Of a message that was read from another format it is what both can say: `data` parts are left out. Raises
        `ContentNotConvertible`.
        """
