"""The front as the control process sees it; without one, everything here is empty and free."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable

from edge.admission import Admission
from edge.call_events import EndReason, Party, Termination
from edge.client_messages import ProcessStatus
from edge.front.addresses import WORKER_ADDRESS, rpc_socket, run_dir
from edge.front.board import Books, Command, Seat, User
from edge.front.desk import FrontDesk
from edge.front.program import PID_FILE
from edge.front.refusals import FrontRefused, RefusalNotes
from edge.front.render import write_trunk_list
from edge.front.rpc import Parameter, RpcError
from edge.front.settings import is_fronted
from edge.front.users import digest_users, front_realm
from edge.front.whereabouts import audio_address, places
from edge.pool import Place, Pool, WorkerState
from edge.ua.messages import UaInvite
from media.config.model import Config, UnknownSource


class FrontLine:
    """What the control process has to do with the front.

    Args:
        config: loaded.
        pool: the workers' books.
        admission: told whether the front is up.
        retry_after_s: returns what refused callers are told.
        on_change: called when the front came or went.
    """

    def __init__(
        self,
        config: Config,
        pool: Pool,
        admission: Admission,
        *,
        retry_after_s: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._admission = admission
        self._retry_after_s = retry_after_s
        self._on_change = on_change
        self._config = config
        self._limit = config.limits.calls
        self._users: dict[str, User] = {}
        self._desk: FrontDesk | None = None
        self.servers: Callable[[], Iterable[str]] = tuple
        """Returns the addresses that we are registered at."""
        self.on_refused: Callable[[FrontRefused], None] = lambda refused: None
        """Told of every call that the front has refused by itself."""
        if is_fronted(config):
            admission.front_up = False
            self._users = digest_users(config)
            pid_file = run_dir(config) / PID_FILE
            notes = RefusalNotes(lambda refused: self.on_refused(refused))
            self._desk = FrontDesk(
                rpc_socket(config), pid_file, self.books, self._came_or_went, notes
            )

    @property
    def is_there(self) -> bool:
        """Whether something stands before the workers."""
        return self._desk is not None

    async def run(self) -> None:
        """Keep the front informed for ever."""
        if self._desk is None:
            await asyncio.get_running_loop().create_future()
        else:
            await self._desk.run()

    def changed(self, place: int | None = None) -> None:
        """Have the front told.

        Args:
            place: of a worker that took or lost a call, whose number the front has changed itself.
        """
        if self._desk is not None:
            self._desk.changed(place)

    def refusal(self) -> Termination | None:
        """Return the verdict for a call that is one too many, though a worker had a slot for it.

        The books count it already.
        """
        if self._desk is None or self._limit is None or self._pool.callers <= self._limit:
            return None
        return Termination(Party.SYSTEM, 503, EndReason.FULL, f"{self._limit} calls in progress")

    def status(self) -> tuple[ProcessStatus, ...]:
        """Return the front's line of the status, none without a front."""
        if self._desk is None:
            return ()
        detail = f"Kamailio, {len(self._users)} phones" if self._users else "Kamailio"
        return (ProcessStatus("front", self._desk.up, self._desk.pid, detail),)

    async def audio_address(self, name: str, wanted: str | None) -> str | None:
        """Return our address toward a registered phone, None where media's own is right.

        Args:
            name: that it is registered under.
            wanted: for phones of its family; None takes media's.
        """
        if self._desk is None:
            return wanted
        try:
            answer = await self._desk.ask(Command("ul.lookup", ("location", name)))
        except RpcError:
            return wanted  # not registered, as the call is going to hear
        return audio_address(places(answer), wanted or self._config.media.address) or wanted

    def reload(self, config: Config) -> None:
        """Let other trunks and desk phones in; who is registered stays so until it expires."""
        self._config = config
        self._limit = config.limits.calls
        if self._desk is not None:
            self._users = digest_users(config)
            write_trunk_list(config)
            self._desk.order(Command("permissions.addressReload", ()))
            self._desk.changed()

    def worker_lost(self, invite: UaInvite | None) -> None:
        """Have the front refuse a call whose worker died before it was answered.

        Nobody else would tell the caller before their patience ends.
        """
        if self._desk is None or invite is None:
            return
        cseq = invite.headers.get("cseq", "").partition(" ")[0]
        if cseq.isdigit():
            retry = f"Retry-After: {self._retry_after_s()}\r\n"
            reply: tuple[Parameter, ...] = (503, "Service Unavailable", invite.sip_call_id, cseq)
            self._desk.order(Command("tm.reply_callid", (*reply, secrets.token_hex(8), retry)))

    def books(self) -> Books:
        """Return what the front shall know now."""
        is_open = self._admission.why_closed() is None
        left = 0 if self._limit is None else max(self._limit - self._pool.callers, 0)
        return Books(
            seats=tuple(_seat(each, self._pool.free(each)) for each in self._pool.places),
            free=left if is_open else 0,
            is_open=is_open,
            retry_after_s=self._retry_after_s(),
            unknown=unknown_source(self._config),
            strangers_pass=any(each.register for each in self._config.trunks.values()),
            users=self._users,
            realm=front_realm(self._config),
            known=tuple(self.servers()),
        )

    def _came_or_went(self) -> None:
        assert self._desk is not None
        self._admission.front_up = self._desk.up
        self._on_change()


def _seat(place: Place, free: int) -> Seat:
    if place.state is not WorkerState.READY:
        return Seat("", 0)
    return Seat(f"sip:{WORKER_ADDRESS}:{place.udp_port}", free)


def unknown_source(config: Config) -> UnknownSource:
    """Return the policy for callers of no trunk."""
    if config.sip.unknown_source is not None:
        return config.sip.unknown_source
    return UnknownSource.FORBID if config.trunks else UnknownSource.ACCEPT
