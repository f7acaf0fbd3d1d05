"""The failure matrix of a warm transfer: each row, and the tests that prove it over SIP and RTP.

``python -m tests.transfer.rows`` prints it as a table. What all of them show: the caller is
connected, or back with the AI within a second and in the same conversation, or told goodbye on
purpose; when a test ends no leg, stream or port is in use and no phone rings
(:meth:`tests.transfer.rig.Rig.level`).
"""

from __future__ import annotations

MATRIX, LOSSES, REFER, PHONES = "matrix", "losses", "refer", "phones"
REGISTERED, DESK, VOICEMAIL = "registered", "desk", "voicemail"

ROWS: dict[str, tuple[tuple[str, str], ...]] = {
    "486, 480, 603 and other refusals of a phone": (
        (MATRIX, "test_a_phone_that_refuses"),
        (PHONES, "test_sipp_as_a_phone"),
    ),
    "a phone that is not registered": (
        (REGISTERED, "test_a_phone_that_nobody_registered_does_not_ring"),
        (REGISTERED, "test_the_next_phone_is_rung_at_once_where_one_is_not_registered"),
    ),
    "408, nobody answers": (
        (MATRIX, "test_a_phone_that_nobody_picks_up"),
        (MATRIX, "test_a_phone_that_is_gone"),
        (MATRIX, "test_nobody_answers"),
        (MATRIX, "test_nobody_is_there"),
    ),
    "3xx from the phone is not followed": ((MATRIX, "test_a_phone_that_refuses"),),
    "the phone hangs up in the whisper": ((MATRIX, "test_hanging_up_in_the_whisper"),),
    "the person declines": ((MATRIX, "test_the_decline_key"),),
    "the person presses nothing": ((MATRIX, "test_no_key_is_no_acceptance"),),
    "a voice mailbox answers": (
        (VOICEMAIL, "test_a_mailbox_that_beeps"),
        (VOICEMAIL, "test_a_mailbox_that_talks"),
    ),
    "two phones answer within 50 ms": ((MATRIX, "test_two_phones_answer_at_once"),),
    "the caller hangs up in the queue": ((MATRIX, "test_the_caller_hangs_up_in_the_queue"),),
    "the caller hangs up while a phone rings": (
        (MATRIX, "test_the_caller_hangs_up_while_phones_ring"),
        (REGISTERED, "test_the_caller_hangs_up_on_a_registered_phone"),
    ),
    "the caller hangs up in the whisper": ((MATRIX, "test_the_caller_hangs_up_in_the_whisper"),),
    "the caller hangs up between accept and bridge": (
        (MATRIX, "test_the_caller_hangs_up_as_the_person_accepts"),
    ),
    "the person hangs up between accept and bridge": (
        (MATRIX, "test_the_person_hangs_up_as_they_accept"),
    ),
    "the caller holds during the queue": ((MATRIX, "test_hold_during_the_queue"),),
    "the phone sends a re-INVITE while it is whispered to": (
        (MATRIX, "test_the_phone_reinvites_in_the_whisper"),
    ),
    "the worker with the person's leg dies": (
        (LOSSES, "test_the_phones_worker_dies_while_it_rings"),
        (LOSSES, "test_the_phones_worker_dies_in_the_whisper"),
        (LOSSES, "test_the_phones_worker_dies_while_they_talk"),
    ),
    "the worker with the caller's leg dies": (
        (LOSSES, "test_the_callers_worker_dies_while_they_talk"),
    ),
    "the media bridge dies": (
        (LOSSES, "test_media_dies_while_phones_ring"),
        (LOSSES, "test_media_dies_while_somebody_is_on_the_phone"),
    ),
    "the agent process dies": (
        (LOSSES, "test_the_agent_process_dies_while_they_talk"),
        (LOSSES, "test_the_agent_process_stays_dead"),
    ),
    "REFER accepted, then silence": ((REFER, "test_a_carrier_that_does_not_take_the_call_over"),),
    "REFER challenged by 401": ((REFER, "test_a_carrier_that_does_not_take_the_call_over"),),
    "REFER with a final 486": ((REFER, "test_a_carrier_that_does_not_take_the_call_over"),),
    "REFER refused": ((REFER, "test_a_refusal_is_remembered"),),
    "two transfers for one call": (
        (MATRIX, "test_two_transfers_for_one_call"),
        (MATRIX, "test_a_second_try_after_coming_back"),
    ),
    "glare: offers that cross, and 491": (
        (MATRIX, "test_offers_that_cross"),
        (REFER, "test_a_carrier_that_does_not_take_the_call_over"),
    ),
}


def table() -> str:
    """Return the matrix in Markdown."""
    lines = ["| row | test |", "|---|---|"]
    for row, tests in ROWS.items():
        names = ", ".join(f"`test_transfer_{module}.py::{name}`" for module, name in tests)
        lines.append(f"| {row} | {names} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
