"""The guard `limits`: which models, how much text, how many tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bylaw.spec import Exchange, Guard, Prompt, Verdict, impl

_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class LimitsOptions:
    """Options of `limits`; a bound that is not given does not bind.

    Args:
        prompt_chars_max: characters of all texts of a request together.
        messages_max: messages of the conversation.
        max_tokens_max: the most tokens that a request may ask for; one that names no number is let through.
        tools_max: tools that a request may declare.
        models_allowed: names or globs (`gpt-4o*`); empty allows all.
    """

    prompt_chars_max: int | None = None
    messages_max: int | None = None
    max_tokens_max: int | None = None
    tools_max: int | None = None
    models_allowed: tuple[str, ...] = ()


class Limits(Guard):
    """Refuses requests out of bounds, and says which bound without repeating what was sent."""

    name = "limits"
    controls = ("limits", "models")
    Options = LimitsOptions

    def setup(self) -> None:
        """A bound below zero is a mistake."""
        options: LimitsOptions = self.options
        bounds = (options.prompt_chars_max, options.messages_max, options.max_tokens_max, options.tools_max)
        if any(bound is not None and bound < 0 for bound in bounds):
            raise ValueError("a bound must not be negative")

    @impl
    def inspect_request(self, exchange: Exchange, prompt: Prompt) -> Verdict | None:
        """The first bound that is exceeded names the block."""
        allowed = self.options.models_allowed
        if allowed and not any(fnmatchcase(prompt.model, glob) for glob in allowed):
            return Verdict.block("model_not_allowed", "This model is not allowed here.")
        for code, what, amount, bound in self._amounts(prompt):
            if bound is not None and amount > bound:
                return Verdict.block(code, f"The request has more {what} than the {bound} allowed here.")
        return None

    def _amounts(self, prompt: Prompt) -> Iterator[tuple[str, str, int, int | None]]:
        options: LimitsOptions = self.options
        characters = sum(len(segment.text) for segment in prompt.segments)
        yield "prompt_too_large", "characters", characters, options.prompt_chars_max
        yield "too_many_messages", "messages", _count(prompt, "messages", "input"), options.messages_max
        yield "too_many_tokens", "tokens to generate", _tokens(prompt), options.max_tokens_max
        yield "too_many_tools", "tools", _count(prompt, "tools", "functions"), options.tools_max


def _count(prompt: Prompt, *keys: str) -> int:
    lists = [prompt.body.get(key) for key in keys]
    return sum(len(items) for items in lists if isinstance(items, list))


def _tokens(prompt: Prompt) -> int:
    numbers = [prompt.body.get(key) for key in _TOKENS]
    return max((int(number) for number in numbers if isinstance(number, int | float)), default=0)
