"""What can be wrong with a request to the storage, as facts of the domain that carry the ids."""


class StorageError(Exception):
    """Whatever a storage says no to; its text is a sentence for the person who reads it."""


class SessionNotFound(StorageError):
    """There is no session `session_id` in the workspace that was asked."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id} not found")
        self.session_id = session_id


class StorageUnavailable(StorageError):
    """The storage can't answer now: nothing was written, and another try may succeed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The storage is not available: {reason}.")
        self.reason = reason


class DatabaseUnusable(StorageError):
    """The database can't be opened at all; the text says why and what to do."""
