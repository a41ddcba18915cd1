"""Opens the embedder that the settings name, with its key.

Most daemons have no embedder: its modules are imported only if one is configured.
"""

import os
from pathlib import Path

from ..settings import Settings
from ..storage.model.database_errors import EmbedderUnusable
from ..storage.model.queries import Embedder

# Not an option: anyone who can list the processes of a machine can read their command lines.
KEY_VARIABLE = "AMPLIFIERD_EMBEDDER_KEY"


def configured_embedder(settings: Settings, name: str) -> Embedder:
    """The embedder of this name, with the key from the file in the settings, or else from `KEY_VARIABLE`.

    Raises `EmbedderUnusable` if no package offers the name, if it refuses the settings, or if the key cannot be read
    or has other characters than printable ASCII.
    """
    from ..storage.search.embedders.entry_point import EmbedderOptions, open_embedder

    key = os.environ.get(KEY_VARIABLE) or None
    if settings.embedder_key_file is not None:
        key = _key_in(settings.embedder_key_file)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise EmbedderUnusable("The key of the embedder has other characters than printable ASCII.")
    return open_embedder(name, EmbedderOptions(settings.embedder_url, settings.embedder_model, key))


def _key_in(file: Path) -> str:
    """The text of the file, without spaces and line breaks around it."""
    try:
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EmbedderUnusable(f"The key of the embedder can't be read from {file}: {error}.") from error
    if not key:
        raise EmbedderUnusable(f"The file {file} with the key of the embedder is empty.")
    return key
