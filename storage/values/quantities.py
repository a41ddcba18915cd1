"""Numbers of things, in words."""


def quantity(number: int, noun: str, plural: str | None = None) -> str:
    """A number of things, such as `1 session` or `2 sessions`; `plural` is for a noun that does not just add an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def conversations(sessions: int, messages: int) -> str:
    """Two numbers, such as `1 session with 2 messages`."""
    return f"{quantity(sessions, 'session')} with {quantity(messages, 'message')}"
