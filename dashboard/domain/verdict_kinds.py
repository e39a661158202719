"""Every verdict there is, whose side it puts it on, and how sure it is."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """On whose side it hangs, or went wrong."""

    OURS = "ours"
    PROVIDER = "provider"
    NETWORK = "network"
    HANDSET = "handset"
    CANNOT_KNOW = "cannot_know"


class Sure(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "guess"


class Kind(StrEnum):
    """Every answer there is to "why has it not arrived?"."""

    # it arrived
    DELIVERED = "delivered"
    DELIVERED_LATE = "delivered_late"
    DELIVERED_UNCONFIRMED = "delivered_unconfirmed"
    DELIVERED_DOUBTED = "delivered_doubted"
    DELIVERED_PARTLY = "delivered_partly"
    DELIVERED_IN_APP = "delivered_in_app"
    DELIVERED_UNNOTED = "delivered_unnoted"
    DELIVERED_BY_ANOTHER = "delivered_by_another"
    # our own sending
    NOT_SENT_YET = "not_sent_yet"
    HELD_BACK = "held_back"
    BEING_SENT = "being_sent"
    SENT_OR_NOT = "sent_or_not"
    NOT_SENT = "not_sent"
    NOT_SENT_BUT_HEARD_OF = "not_sent_but_heard_of"
    NOT_TAKEN = "not_taken"
    # sent again since
    AGAIN_SOON = "again_soon"
    AGAIN_ON_ITS_WAY = "again_on_its_way"
    AGAIN_SENT_OR_NOT = "again_sent_or_not"
    # on its way
    NOT_DUE = "not_due"
    JUST_TOLD = "just_told"
    TOO_EARLY = "too_early"
    PARTS_COMING = "parts_coming"
    PROVIDER_TRIES_AGAIN = "provider_tries_again"
    TIME_RAN_OUT = "time_ran_out"
    CANNOT_ASK = "cannot_ask"
    NOBODY_ASKS = "nobody_asks"
    ODD_WORD = "odd_word"
    NOT_KNOWN_THERE = "not_known_there"
    NO_REPORTS = "no_reports"
    NOT_A_WORD = "not_a_word"
    NOT_NAMED = "not_named"
    HELD_BY_PROVIDER = "held_by_provider"
    AT_GATEWAY = "at_gateway"
    TROUBLE_OF_MANY = "trouble_of_many"
    PHONE_OFF = "phone_off"
    STILL_TRYING = "still_trying"
    # nobody knows
    PROVIDER_UNSURE = "provider_unsure"
    NO_REPORT = "no_report"
    # it did not arrive
    PHONE_WAS_OFF = "phone_was_off"
    LOST_WITH_MANY = "lost_with_many"
    TOO_LITTLE_TIME = "too_little_time"
    BAD_NUMBER = "bad_number"
    GOOD_NUMBER_REFUSED = "good_number_refused"
    REFUSED = "refused"
    REFUSED_WITH_MANY = "refused_with_many"
    STOPPED = "stopped"
    MAY_BE_TRIED_AGAIN = "may_be_tried_again"
    WANTS_NONE = "wants_none"
    SENDER_REFUSED = "sender_refused"
    WORDS_REFUSED = "words_refused"
    NO_MONEY = "no_money"
    NO_ACCESS = "no_access"
    NO_WAY_THERE = "no_way_there"
    BARRED = "barred"
    PHONE_FULL = "phone_full"
    NETWORK_FAULT = "network_fault"
    FAILED = "failed"


ARRIVED = frozenset(kind for kind in Kind if kind.value.startswith("delivered"))
# Where sending again is what there is to do: not to somebody who asked not to be texted.
SEND_AGAIN = frozenset(
    {
        Kind.DELIVERED_PARTLY, Kind.NOT_SENT, Kind.NOT_TAKEN, Kind.PROVIDER_UNSURE, Kind.NO_REPORT, Kind.PHONE_WAS_OFF,
        Kind.LOST_WITH_MANY, Kind.TOO_LITTLE_TIME, Kind.GOOD_NUMBER_REFUSED, Kind.STOPPED, Kind.NO_MONEY,
        Kind.NO_WAY_THERE, Kind.PHONE_FULL, Kind.NETWORK_FAULT, Kind.FAILED,
    }
)  # fmt: skip
