"""`python -m clients [LANGUAGE ...]`: every client, or those of the languages named."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from .csharp.recipe import CSHARP
from .go.recipe import GO
from .java.recipe import JAVA
from .kotlin.recipe import KOTLIN
from .php.recipe import PHP
from .python.recipe import PYTHON
from .python_pydantic.recipe import PYTHON_PYDANTIC
from .recipe import Recipe
from .ruby.recipe import RUBY
from .rust.recipe import RUST
from .table import table
from .trial import attempt
from .typescript.recipe import TYPESCRIPT
from .typescript_zod.recipe import TYPESCRIPT_ZOD

# By the names of their folders.
RECIPES = {
    "typescript": TYPESCRIPT,
    "typescript_zod": TYPESCRIPT_ZOD,
    "python": PYTHON,
    "python_pydantic": PYTHON_PYDANTIC,
    "java": JAVA,
    "kotlin": KOTLIN,
    "csharp": CSHARP,
    "go": GO,
    "ruby": RUBY,
    "php": PHP,
    "rust": RUST,
}


def main() -> int:
    """Try the languages side by side; 1 where one failed."""
    started = time.monotonic()
    with ThreadPoolExecutor() as threads:
        outcomes = list(threads.map(partial(attempt, tell=_tell), _chosen()))
    for outcome in outcomes:
        if outcome.failure:
            _tell(f"\n{outcome.recipe.language} failed. {outcome.failure}")
    _tell(f"{time.monotonic() - started:.0f} seconds\n")
    sys.stdout.write(table(outcomes) + "\n")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _chosen() -> list[Recipe]:
    parser = argparse.ArgumentParser(prog="python -m clients", description="Generate, compile and play clients.")
    parser.add_argument("language", nargs="*", type=_recipe, help=f"one of {', '.join(RECIPES)}; left out, all of them")
    named: list[Recipe] = parser.parse_args().language
    return named or list(RECIPES.values())


def _recipe(language: str) -> Recipe:
    if language not in RECIPES:
        raise argparse.ArgumentTypeError(f"there is no client in {language!r}; there are {', '.join(RECIPES)}.")
    return RECIPES[language]


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
