"""Converts conversations of other programs to messages of the contract and back, without loss.

A module holds one format, as a `Format`: pure functions on decoded JSON, which import nothing but this folder.
"""

from .ai_sdk import AISDK
from .anthropic import Anthropic
from .interface import ContentNotConvertible, Format, Message, Object
from .openai_chat import OpenAIChat
from .openai_responses import OpenAIResponses

FORMATS: tuple[Format, ...] = (Anthropic(), OpenAIChat(), OpenAIResponses(), AISDK())

__all__ = [
    "AISDK",
    "FORMATS",
    "Anthropic",
    "ContentNotConvertible",
    "Format",
    "Message",
    "Object",
    "OpenAIChat",
    "OpenAIResponses",
]
