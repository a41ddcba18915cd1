"""The interface of message formats: reads one kind of message into the contract's `NewMessage`, and writes it back."""

from typing import Any, Protocol, TypedDict

Object = dict[str, Any]

ROLES = frozenset({"user", "assistant", "system", "developer", "tool"})


class ContentNotConvertible(ValueError):
    """A part cannot be written in a format; the text names the part and the reason."""


class _Required(TypedDict):
    role: str
    parts: list[Object]


class Message(_Required, total=False):
    """The members of the contract's `NewMessage`, or the same members of a `Message`."""

    metadata: Object
    model: str
    usage: Object


class Format(Protocol):
    """One published message format of a provider or program.

    Data without a field in the contract goes into a part's `native` and the message's `metadata`, under the format's
    `name`; a block of an unknown type becomes a part `data` of the kind `name.type`. So `write(read(source)) == source`
    for every JSON object, and arguments that are text are kept byte for byte.

    The URL and the media type of a `file` part are the provider's. The contract refuses a `data:` URL of more than
    65,536 characters, a relative URL of another server, and an invalid media type: before sending the message, the
    caller uploads the data, resolves the URL, or corrects the type.
    """

    @property
    def name(self) -> str:
        """The name of the format in `native`, `metadata` and `kind`: lower-case letters, digits, `-`."""

    def read(self, source: Object, /) -> Message:
        """Convert a provider's message or item to a message, which shares values with `source`."""

    def write(self, message: Message, /) -> Object:
        """Convert a message to the provider's message or item.

        If the message was read from another format, `data` parts are left out. Raises `ContentNotConvertible`.
        """
