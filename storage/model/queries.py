"""What a list has: which sessions or messages, in which order."""

from dataclasses import dataclass
from typing import Literal

from .records import Role, SessionStatus

SessionSort = Literal["-updated_at", "updated_at", "-created_at", "created_at"]
MessageOrder = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Which sessions a list has, in which order.

    Each filter that is not None must hold; `name` is a part of the name, upper and lower case alike; `recursive` takes
    what is below `amplified_dir` as well. Times have six digits. `limit` is at least 1, None for all; `cursor` is a
    listing's `next_cursor`.

    With filters and a limit, 10,000 sessions in the order of the list are looked at for one page: it may have fewer
    than `limit`, even none, and still lead to the next.
    """

    sort: SessionSort = "-updated_at"
    status: SessionStatus | None = None
    profile: str | None = None
    amplified_dir: str | None = None
    recursive: bool = False
    parent_session_id: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None
    name: str | None = None
    limit: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Which messages of a session a list has, in which order.

    Those with `after_sequence` < sequence < `before_sequence`, of `role` where it is not None, with a call that has no
    result if only `open_calls` are asked for, with the `id` that its client gave it; at most `limit` of them (at least
    1, None is all): the last ones where `before_sequence` is given or `order` is desc, else the first. With a role and
    a limit they are those among the last, or the first, 10,000, and the listing leads to the next page.
    """

    limit: int | None = None
    after_sequence: int | None = None
    before_sequence: int | None = None
    role: Role | None = None
    order: MessageOrder = "asc"
    open_calls: bool = False
    id: str | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether it has to look at messages to tell which it means."""
        return self.role is not None or self.open_calls or self.id is not None

    @property
    def from_end(self) -> bool:
        """Is a limited list the last messages rather than the first."""
        return self.before_sequence is not None or self.order == "desc"

    @property
    def page_after(self) -> str:
        """Which of its members leads to the next page."""
        return "before_sequence" if self.from_end else "after_sequence"
