"""Finds an embedder by its name.

A package registers one in the entry point group `amplifierd.embedder`, as a callable that takes `EmbedderOptions` and
returns an `Embedder`; it raises `EmbedderUnusable` if the embedder cannot be used.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from ...model.database_errors import EmbedderUnusable
from ...model.queries import Embedder

GROUP = "amplifierd.embedder"


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """The options of an embedder: a service's URL, a model, a key. Options that do not apply are ignored."""

    url: str | None = None
    model: str | None = None
    key: str | None = field(default=None, repr=False)


def open_embedder(name: str, options: EmbedderOptions) -> Embedder:
    """The embedder of this name. Raises `EmbedderUnusable`."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise EmbedderUnusable(
            f"There is no embedder {name!r}; those that are installed are {', '.join(sorted(found)) or 'none'}."
        )
    try:
        create: Callable[[EmbedderOptions], Embedder] = found[name].load()
    except (ImportError, AttributeError) as error:
        raise EmbedderUnusable(
            f"The embedder {name!r} can't be imported: {error}. Install what it needs: pip install "
            "'amplifierd[embeddings]'."
        ) from error
    return create(options)
