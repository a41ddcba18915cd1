"""Static embeddings of WordLlama, whose package contains the weights (https://github.com/dleemiller/WordLlama).

A text's vector is the mean of the vectors of its tokens. The files are read without the package's own modules, which
would configure logging for the whole process, and import a client that downloads models.
"""

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from ...model.database_errors import EmbedderUnusable
from ...model.queries import Embedder
from .entry_point import EmbedderOptions

_WEIGHTS, _TENSOR = "weights/l2_supercat_256.safetensors", "embedding.weight"
_TOKENS = "tokenizers/l2_supercat_tokenizer_config.json"


class WordLlamaEmbedder(Embedder):
    """Vectors of 256 numbers, from a thread of this process; nothing is downloaded."""

    def __init__(self, options: EmbedderOptions) -> None:
        if options.url or options.model:
            raise EmbedderUnusable(
                "The embedder 'wordllama' has one model and no service: it takes no URL and no model."
            )
        folder = _folder()
        try:
            self._weights: Any = load_file(folder / _WEIGHTS)[_TENSOR]
            self._tokenizer = Tokenizer.from_file(str(folder / _TOKENS))
            self.model = f"wordllama/l2_supercat_256/{version('wordllama')}"
        except Exception as error:
            # Both libraries raise errors of many classes for missing and damaged files.
            raise EmbedderUnusable(
                f"The files of the package wordllama can't be read: {error}. Remove it, and install it again: pip "
                "uninstall wordllama, then pip install 'amplifierd[embeddings]'."
            ) from error

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        return await asyncio.to_thread(lambda: [*map(self._embed, texts)])

    async def close(self) -> None:
        return

    def _embed(self, text: str) -> Sequence[float]:
        # One at a time, because a batch would use all cores.
        tokens = self._tokenizer.encode(text, add_special_tokens=False).ids
        vector: list[float] = self._weights[tokens].mean(axis=0, dtype=np.float32).tolist() if tokens else []
        return vector or [0.0] * int(self._weights.shape[1])


def _folder() -> Path:
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise EmbedderUnusable(
            "The package wordllama is not installed; install it: pip install 'amplifierd[embeddings]'."
        )
    return Path(spec.origin).parent
