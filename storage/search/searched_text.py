"""Where a search looks in a message: what it says, what is said to tools and by them, or both as one text."""

from msgspec import Raw

from ..model.part_records import tools_of
from ..model.records import Message, SearchScope

# What an index of words has.
EVERYWHERE: SearchScope = "all"


def searched_text(message: Message, scope: SearchScope = EVERYWHERE) -> str:
    """The text of a message that a search of this scope looks in."""
    if not isinstance(message.parts, Raw):
        return "" if scope == "tools" else message.content
    tools = "" if scope == "text" else tools_of(message.parts)
    if scope == "tools":
        return tools
    return f"{message.content}\n{tools}" if tools else message.content
