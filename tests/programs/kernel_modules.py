"""A collection of small modules for the real kernel: a provider, a tool, a hook, an orchestrator and a context."""

PROFILE = """\
---
profile: {name: assistant, version: 1.0.0, schema_version: 2}
session:
  orchestrator: {module: loop, config: {max_turns: 4}}
  context: {module: list}
providers:
- {module: echo, config: {token: "${env:KERNEL_TEST_TOKEN}"}}
tools:
- {module: add, config: {limit: 1000}}
hooks:
- {module: log}
agents:
  zen: agents/zen.md
---

Add what you are told to add.
"""

_ADD = '''\
class Add:
    """Adds two numbers up to a limit."""

    name = "add"
    description = "Adds two numbers."
    input_schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}

    def __init__(self, limit):
        self._limit = limit

    async def execute(self, input):
        from amplifier_core.models import ToolResult

        total = input["a"] + input["b"]
        return ToolResult(success=total <= self._limit, output=str(total))


async def mount(coordinator, config):
    await coordinator.mount("tools", Add(config.get("limit", 0)), name="add")
'''

_ECHO = '''\
import os

from amplifier_core.message_models import ChatResponse, TextBlock, ToolCall
from amplifier_core.models import ProviderInfo


class Echo:
    """A model that calls a tool once, then says what it returned."""

    name = "echo"

    def __init__(self, token):
        # A reference, which whoever runs the session knows.
        self._token = os.environ[token.removeprefix("${env:").removesuffix("}")]

    def get_info(self):
        return ProviderInfo(id="echo", display_name="Echo")

    async def list_models(self):
        return []

    async def complete(self, request, **others):
        last = request.messages[-1]
        if last.role == "user":
            call = ToolCall(id="call-1", name=request.tools[0].name, arguments={"a": 19, "b": 23})
            return ChatResponse(content=[], tool_calls=[call])
        return ChatResponse(content=[TextBlock(text=f"The sum is {last.content} ({self._token}).")])

    def parse_tool_calls(self, response):
        return response.tool_calls or []


async def mount(coordinator, config):
    # The kernel also mounts it on trial, without a configuration.
    token = config.get("token", "${env:HOME}")
    await coordinator.mount("providers", Echo(token), name="echo")
'''

_LOOP = '''\
from amplifier_core.message_models import ChatRequest, Message, ToolSpec


class Loop:
    """Asks the model until it calls no tool."""

    def __init__(self, max_turns):
        self._max_turns = max_turns

    async def execute(self, prompt, context, providers, tools, hooks, **others):
        [provider] = providers.values()
        specs = [ToolSpec(name=it.name, parameters=it.input_schema) for it in tools.values()]
        await hooks.emit("prompt:submit", {"prompt": prompt})
        await context.add_message({"role": "user", "content": prompt})
        for _ in range(self._max_turns):
            messages = [Message(**it) for it in await context.get_messages()]
            response = await provider.complete(ChatRequest(messages=messages, tools=specs))
            calls = provider.parse_tool_calls(response)
            text = "".join(block.text for block in response.content)
            message = {"role": "assistant", "content": text}
            await context.add_message(message | ({"tool_calls": [it.model_dump() for it in calls]} if calls else {}))
            if not calls:
                return text
            for call in calls:
                result = await tools[call.name].execute(call.arguments)
                await context.add_message({"role": "tool", "content": result.output, "tool_call_id": call.id})
        raise RuntimeError("The model calls tools without end.")


async def mount(coordinator, config):
    await coordinator.mount("orchestrator", Loop(config.get("max_turns", 1)))
'''

_LIST = '''\
class Messages:
    """Keeps the messages of a session in a list."""

    def __init__(self):
        self._messages = []

    async def add_message(self, message):
        self._messages.append(message)

    async def get_messages(self):
        return [*self._messages]

    async def get_messages_for_request(self, token_budget=None, provider=None):
        return [*self._messages]

    async def set_messages(self, messages):
        self._messages = [*messages]

    async def clear(self):
        self._messages = []


async def mount(coordinator, config):
    await coordinator.mount("context", Messages())
'''

_LOG = """\
SEEN = []


async def mount(coordinator, config):
    async def note(event, data):
        from amplifier_core.models import HookResult

        SEEN.append(event)
        return HookResult(action="continue")

    coordinator.hooks.register("prompt:submit", note, name="log")
"""

_MODULES = {
    "providers/echo": (
        "provider-echo",
        _ECHO,
        "{required: [token], properties: {token: {type: string, writeOnly: true}}}",
    ),
    "tools/add": ("tool-add", _ADD, "{required: [limit], properties: {limit: {type: integer, minimum: 0}}}"),
    "hooks/log": ("hooks-log", _LOG, "{type: object, additionalProperties: false}"),
    "orchestrators/loop": ("loop-test", _LOOP, "{properties: {max_turns: {type: integer, minimum: 1}}}"),
    "contexts/list": ("context-list", _LIST, "{type: object, additionalProperties: false}"),
}


def files() -> dict[str, str]:
    """The files of the collection; each module is a package beside its `module.yaml`."""
    found = {"assistant.md": PROFILE, "agents/zen.md": "You are calm."}
    for folder, (name, code, schema) in _MODULES.items():
        package = f"amplifier_module_{name.replace('-', '_')}"
        found[f"{folder}/module.yaml"] = f"name: {name}\nentry_point: {package}:mount\nconfig_schema: {schema}\n"
        kind = {"providers": "provider", "tools": "tool", "hooks": "hook", "orchestrators": "orchestrator"}
        declared = kind.get(folder.split("/")[0], "context")
        found[f"{folder}/{package}/__init__.py"] = f'__amplifier_module_type__ = "{declared}"\n\n\n{code}'
    return found
