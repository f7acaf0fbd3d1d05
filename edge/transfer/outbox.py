"""Tell a webhook about messages and call-back requests until it takes them (asyncio shell).

Each is a line of ``messages.jsonl`` first; what the webhook has not taken yet is a file of its own
in ``outbox``, so it is sent after a restart too.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import structlog

RETRY_S = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Waits between attempts; the last one again and again."""
TIMEOUT_S = 10.0

log = structlog.get_logger()


class Outbox:
    """What is still to be told.

    Args:
        retry_s: waits between attempts.
    """

    def __init__(self, retry_s: tuple[float, ...] = RETRY_S) -> None:
        self._retry_s = retry_s
        self._tasks: set[asyncio.Task[None]] = set()

    def resume(self, folder: Path, webhook: str) -> None:
        """Go on with what an earlier run left."""
        for path in sorted((folder / "outbox").glob("*.json")):
            self._spawn(path, webhook)

    async def put(self, folder: Path, webhook: str | None, body: dict[str, Any]) -> None:
        """Write the line down, then tell the webhook, where there is one.

        Raises:
            OSError: the line cannot be written.
        """
        path = await asyncio.to_thread(_write, folder, body, webhook is not None)
        if webhook is not None:
            self._spawn(path, webhook)

    async def stop(self) -> None:
        """Stop trying; what is left waits in its folder."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, path: Path, webhook: str) -> None:
        task = asyncio.create_task(self._deliver(path, webhook))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, path: Path, webhook: str) -> None:
        content = await asyncio.to_thread(path.read_bytes)
        headers = {"Content-Type": "application/json", "Idempotency-Key": path.stem}
        attempt = 0
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            while True:
                try:
                    answer = await client.post(webhook, content=content, headers=headers)
                    answer.raise_for_status()
                except httpx.HTTPError as error:
                    log.warning("webhook_failed", file=path.name, reason=str(error) or repr(error))
                    await asyncio.sleep(self._retry_s[min(attempt, len(self._retry_s) - 1)])
                    attempt += 1
                    continue
                break
        await asyncio.to_thread(path.unlink, missing_ok=True)
        log.info("webhook_told", file=path.name, attempts=attempt + 1)


def _write(folder: Path, body: dict[str, Any], pending: bool) -> Path:
    line = json.dumps(body, ensure_ascii=False)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "messages.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")
    path = folder / "outbox" / f"{body['kind']}-{body['call_id']}.json"
    if pending:
        path.parent.mkdir(exist_ok=True)
        path.write_text(line, "utf-8")
    return path
