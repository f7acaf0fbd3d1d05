"""Use an OpenAI-compatible server (llama-server, vLLM) as the language model.

For machines that outgrow one. Only the configured URL is ever contacted; redirects are not
followed and proxies of the environment are not used.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from agent.engines.base import ChatMessage
from media import RemoteError

_DONE = "[DONE]"
_DETAIL_CHARACTERS = 200


class OpenAiLanguageModel:
    """A server's model; :class:`agent.engines.base.LanguageModel`."""

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        key_file: Path | None = None,
        temperature: float = 0.0,
        timeout_s: float = 10.0,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            url: base URL, with or without ``/v1``.
            model: the server's name for it; none takes the first one it offers.
            key_file: file with the bearer token.
            temperature: 0 always takes the likeliest token.
            timeout_s: for the connection and between two pieces.

        Raises:
            RemoteError: the key file cannot be read.
        """
        base = url.rstrip("/").removesuffix("/v1")
        headers = {}
        if key_file is not None:
            try:
                headers["Authorization"] = f"Bearer {key_file.read_text().strip()}"
            except OSError as fault:
                raise RemoteError(f"cannot read the key of {base}: {fault}", 500) from fault
        self.name = model or base
        self.base = base
        self.temperature = temperature
        self._model = model
        self.client = httpx.AsyncClient(
            base_url=f"{base}/v1/", headers=headers, timeout=timeout_s, trust_env=False
        )

    async def open(self, prefix: Sequence[ChatMessage]) -> OpenAiDialogue:
        """Open a dialogue; the server keeps the prefix in its own cache.

        Raises:
            RemoteError: the server cannot be reached or offers no model (503).
        """
        if self._model is None:
            self._model = await self._first_model()
            self.name = self._model
        return OpenAiDialogue(self, self._model, len(prefix))

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def _first_model(self) -> str:
        try:
            answer = await self.client.get("models")
            answer.raise_for_status()
            return str(answer.json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as fault:
            raise self.failure(fault) from fault

    def failure(self, fault: Exception, detail: str = "") -> RemoteError:
        """Return a readable error for what went wrong with the server."""
        if isinstance(fault, httpx.HTTPStatusError):
            reason = f"answered {fault.response.status_code} {detail}".rstrip()
        elif isinstance(fault, httpx.TimeoutException):
            reason = "did not answer in time"
        elif isinstance(fault, httpx.HTTPError):
            reason = f"cannot be reached: {fault}"
        else:
            reason = f"answered something that is not the OpenAI interface: {fault}"
        return RemoteError(f"the language model server {self.base} {reason}", 503)


class OpenAiDialogue:
    """One call; :class:`agent.engines.base.Dialogue`."""

    def __init__(self, owner: OpenAiLanguageModel, model: str, prefix_messages: int) -> None:
        """Note what the call needs; use :meth:`OpenAiLanguageModel.open`.

        Args:
            owner: the client.
            model: the server's name for it.
            prefix_messages: how many messages the prefix has.
        """
        self._owner = owner
        self._model = model
        self._prefix_messages = prefix_messages
        self._warmed = False
        self.first_token_ms: float | None = None
        """Of the last answer."""

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Let the server compute the prefix once; a caller's unfinished words are not sent.

        Raises:
            RemoteError: the server failed.
        """
        if self._warmed:
            return
        self._warmed = True
        prefix = messages[: self._prefix_messages] or messages
        async for _ in self.generate(prefix, max_tokens=1):
            pass

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        urgent: bool = True,
        likely: Sequence[str] = (),
        grammar: str | None = None,
    ) -> AsyncIterator[str]:
        """Stream the answer's text pieces; closing the iterator closes the request.

        Args:
            messages: system prompt, history, and the caller's words last.
            max_tokens: hard end.
            urgent: not known to such servers.
            likely: not known to such servers.
            grammar: not known to all such servers, so never sent.

        Raises:
            RemoteError: the server refused, failed or went away (503).
        """
        request = {
            "model": self._model,
            "messages": [{"role": each.role, "content": each.text} for each in messages],
            "max_tokens": max_tokens,
            "temperature": self._owner.temperature,
            "stream": True,
            "cache_prompt": True,
        }
        begun_ns = time.monotonic_ns()
        self.first_token_ms = None
        try:
            async with self._owner.client.stream(
                "POST", "chat/completions", json=request
            ) as answer:
                await _raise_for_status(self._owner, answer)
                async for line in answer.aiter_lines():
                    piece = _piece(line)
                    if piece is None:
                        return
                    if piece:
                        if self.first_token_ms is None:
                            self.first_token_ms = (time.monotonic_ns() - begun_ns) / 1e6
                        yield piece
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as fault:
            raise self._owner.failure(fault) from fault

    def hurry(self) -> None:
        """Do nothing: such servers know no urgency."""

    def close(self) -> None:
        """Forget the call; the server keeps nothing of ours but its cache."""
        self._warmed = False


async def _raise_for_status(owner: OpenAiLanguageModel, answer: httpx.Response) -> None:
    """Raise a readable error for anything but 200."""
    if answer.status_code == httpx.codes.OK:
        return
    body = (await answer.aread()).decode(errors="replace")
    fault = httpx.HTTPStatusError("refused", request=answer.request, response=answer)
    raise owner.failure(fault, _detail(body))


def _detail(body: str) -> str:
    """Return the server's own words, in one line."""
    try:
        written: Any = json.loads(body)
        error = written.get("error", written)
        words = error.get("message", body) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        words = body
    return " ".join(str(words).split())[:_DETAIL_CHARACTERS]


def _piece(line: str) -> str | None:
    """Return the text of one server-sent line, None at the end of the stream."""
    if not line.startswith("data:"):
        return ""
    written = line.removeprefix("data:").strip()
    if written == _DONE:
        return None
    event: Any = json.loads(written)
    if "error" in event:
        raise ValueError(_detail(written))
    choices = event.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")
