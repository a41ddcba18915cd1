"""The text of a message that a search examines: what it says, its tools, or both as one text."""

from msgspec import Raw

from ..model.part_records import tools_of
from ..model.queries import SearchScope
from ..model.records import Message

# The scope of the index of words.
EVERYWHERE: SearchScope = "all"


def searched_text(message: Message, scope: SearchScope = EVERYWHERE) -> str:
    """The text of a message within this scope."""
    if not isinstance(message.parts, Raw):
        return "" if scope == "tools" else message.content
    tools = "" if scope == "text" else tools_of(message.parts)
    if scope == "tools":
        return tools
    return f"{message.content}\n{tools}" if tools else message.content
