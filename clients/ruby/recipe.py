"""The generated gem needs Typhoeus, which Debian's package `ruby-typhoeus` has; no gem is installed."""

from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import CommandFailed, run
from ..places import BUILD, workshop
from ..recipe import Program, Recipe

_FOLDER = BUILD / "ruby"
_LIBRARY = _FOLDER / "client" / "lib"


def _generate() -> Iterable[Path]:
    workshop("ruby")
    openapi_generator.generate(_FOLDER, "client")
    return _LIBRARY.rglob("*.rb")


def _compile() -> Program:
    sources = [_FOLDER / "conversation.rb", *_LIBRARY.rglob("*.rb")]
    compiler = "ARGV.each { |file| RubyVM::InstructionSequence.compile_file(file) }"
    warnings = run(["ruby", "-w", "-e", compiler, *sources], _FOLDER)
    if warnings:
        raise CommandFailed(f"Ruby warns:\n{warnings}")
    return Program(("ruby", "-I", _LIBRARY, "conversation.rb"), _FOLDER)


RUBY = Recipe("Ruby", f"{openapi_generator.NAME}, typhoeus", _generate, _compile)
