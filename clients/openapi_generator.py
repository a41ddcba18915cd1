"""openapi-generator, the one generator of several languages; it needs Java."""

from pathlib import Path

from .commands import run
from .places import CONTRACT
from .tools import GENERATORS, install, pinned, site_packages

NAME = f"openapi-generator {pinned('openapi-generator-cli')}"


def jar() -> Path:
    """The generator, which is also a bundle of Java libraries, Jackson among them."""
    install(GENERATORS)
    return site_packages() / "openapi_generator_cli" / "openapi-generator.jar"


def generate(folder: Path, output: str) -> None:
    """Generate into `folder/output` as `folder/openapi-generator.yaml` has it."""
    generator = ("java", "-jar", jar(), "generate")
    run([*generator, "--config", "openapi-generator.yaml", "--input-spec", CONTRACT, "--output", output], folder)
