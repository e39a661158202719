"""What each verdict says: the sentence, whose side it is, how sure we are, what the customer may be told, what to do.

A network can report that a text reached a phone number; nobody can report that a person read it, so no sentence here
says so. The customer's words name no provider and use no word of the trade.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.domain.language import gettext as _, gettext_noop
from dashboard.domain.verdict_kinds import Kind, Side, Sure


@dataclass(frozen=True, slots=True)
class Words:
    """In the source's language: translated where they are used. The braces are filled in by the rules; `customer` never
    gets {provider} or {account}, and {again} only while the person may be texted."""

    sentence: str
    side: Side
    sure: Sure
    customer: str
    now: str


# Many say the same.
_ARRIVED = gettext_noop(
    "Your message was delivered to your phone number{at}. Please look through all your messages, also the blocked ones."
)
_ON_ITS_WAY = gettext_noop(
    "Your message is on its way to your phone. Please make sure that the phone is on and has signal."
)
_WE_LOOK = gettext_noop("Your message has not been sent to you. We are sorry, and we are looking into it.")
_NO_CONFIRMATION = gettext_noop(
    "Your message was sent, and we have no confirmation yet that it reached you. Please check your messages."
)
_DELAYED = gettext_noop(
    "Your message was sent, but it is delayed on its way to you. We are sorry, and we are following it up."
)
_MAYBE = gettext_noop(
    "We cannot tell whether your message reached you. Please check your messages, and tell us if it is not there."
)


def of_many(*, opted_out: bool) -> dict[str, str]:
    """The sentences that stand in the words of many verdicts for the customer."""
    return {
        "not_arrived": _("Your message did not reach your phone number."),
        "again": "" if opted_out else " " + _("We can send it again: please tell us."),
    }


WORDS: dict[Kind, Words] = {
    # ---------------------------------------------------------------- it arrived
    Kind.DELIVERED: Words(
        gettext_noop("Delivered to the phone number; we cannot tell who read it."), Side.HANDSET, Sure.CERTAIN,
        _ARRIVED,
        gettext_noop("If the person cannot find it: check the number with them, their blocked senders, and whether "
                     "the phone’s memory is full."),
    ),
    Kind.DELIVERED_LATE: Words(
        gettext_noop("Delivered to the phone number, but only {took} after it was sent; we cannot tell who read it."),
        Side.HANDSET, Sure.CERTAIN,
        gettext_noop("Your message reached your phone number late{at}. That happens when a phone is off or has no "
                     "signal for a while. Please look through all your messages."),
        gettext_noop("Nothing more to do for this one."),
    ),
    Kind.DELIVERED_UNCONFIRMED: Words(
        gettext_noop("Reported as delivered to the phone number; it is being confirmed."), Side.HANDSET, Sure.LIKELY,
        gettext_noop("We have word that your message reached your phone number. Please look through all your "
                     "messages."),
        gettext_noop("Wait a minute: the report was not signed, so {provider} is asked once more."),
    ),
    Kind.DELIVERED_DOUBTED: Words(
        gettext_noop("It counts as delivered to the phone number, but {provider} reported both that it arrived and "
                     "that it failed."), Side.CANNOT_KNOW, Sure.LIKELY,
        gettext_noop("We have word that your message reached your phone number, but not all that we were told "
                     "agrees. Please look through all your messages, and tell us if it is not there."),
        gettext_noop("Ask the person before anything is sent again, and raise both reports with {provider}."),
    ),
    Kind.DELIVERED_PARTLY: Words(
        gettext_noop("Only {arrived} of {parts} parts were delivered to the phone number, so the text may be "
                     "unreadable."), Side.NETWORK, Sure.LIKELY,
        gettext_noop("Only a part of your message reached your phone, so it may be hard to read.{again}"),
        gettext_noop("Ask the person what they see. Send it again if it cannot be read."),
    ),
    Kind.DELIVERED_IN_APP: Words(
        gettext_noop("Delivered as a message in {channel}, not as a text message; we cannot tell who read it."),
        Side.HANDSET, Sure.CERTAIN,
        gettext_noop("Your message was delivered in {channel} on your phone, not as a text message. Please look "
                     "there."), gettext_noop("Tell the person to look in {channel}."),
    ),
    Kind.DELIVERED_UNNOTED: Words(
        gettext_noop("Delivered to the phone number, although we had noted that nothing was sent."), Side.OURS,
        Sure.LIKELY, _ARRIVED, gettext_noop("Do not send it again before somebody has looked at the reports below."),
    ),
    Kind.DELIVERED_BY_ANOTHER: Words(
        gettext_noop("The text arrived: not by this try, but another try was delivered to the phone number."),
        Side.HANDSET, Sure.CERTAIN, _ARRIVED, gettext_noop("Nothing to send: see message {other}."),
    ),
    # ---------------------------------------------------------------- our own sending
    Kind.NOT_SENT_YET: Words(
        gettext_noop("Not sent yet: it goes out by itself in a moment."), Side.OURS, Sure.CERTAIN,
        gettext_noop("Your message is about to be sent. Please wait a few minutes."),
        gettext_noop("Wait a minute; this page follows by itself."),
    ),
    Kind.HELD_BACK: Words(
        gettext_noop("Not sent yet, and it cannot be sent at the moment: {why}."), Side.OURS, Sure.CERTAIN,
        gettext_noop("Your message has not been sent yet. We are sorry for the delay, and we are looking into it."),
        gettext_noop("Tell an administrator: {fix}."),
    ),
    Kind.BEING_SENT: Words(
        gettext_noop("It is being handed to {provider} now."), Side.OURS, Sure.CERTAIN,
        gettext_noop("Your message is being sent. Please wait a few minutes."),
        gettext_noop("Wait a minute; this page follows by itself."),
    ),
    Kind.SENT_OR_NOT: Words(
        gettext_noop("We asked {provider} to send this and cannot tell whether it did."), Side.CANNOT_KNOW,
        Sure.CERTAIN,
        gettext_noop("We are checking whether your message was sent. Please check your messages in the meantime."),
        gettext_noop("Do not send it again: the person could get it twice. It is being checked; if that finds "
                     "nothing, operations can settle it."),
    ),
    Kind.NOT_SENT: Words(
        gettext_noop("Nothing was sent: our request never reached {provider}."), Side.OURS, Sure.CERTAIN, _WE_LOOK,
        gettext_noop("Send it again: nobody was charged, and nobody can get it twice."),
    ),
    Kind.NOT_SENT_BUT_HEARD_OF: Words(
        gettext_noop("We had noted that nothing was sent, and yet {provider} reports about it."), Side.CANNOT_KNOW,
        Sure.CERTAIN, _MAYBE, gettext_noop("Do not send it again before somebody has looked at the reports below."),
    ),
    Kind.NOT_TAKEN: Words(
        gettext_noop("{provider} refused to take this, so it never went to the phone."), Side.PROVIDER, Sure.CERTAIN,
        _WE_LOOK, gettext_noop("Read its reason, change what it objects to, or send it again through another account."),
    ),
    # ---------------------------------------------------------------- sent again since
    Kind.AGAIN_SOON: Words(
        gettext_noop("{first}; it is about to be sent again."), Side.OURS, Sure.CERTAIN,
        gettext_noop("{told}. We are sending it again; please wait a few minutes."),
        gettext_noop("Wait: the new try goes out by itself."),
    ),
    Kind.AGAIN_ON_ITS_WAY: Words(
        gettext_noop("{first}; it was sent again, and the new try is on its way."), Side.NETWORK, Sure.CERTAIN,
        gettext_noop("{told}, so we have sent it again. It is on its way."),
        gettext_noop("Wait for {other}; do not send it once more."),
    ),
    Kind.AGAIN_SENT_OR_NOT: Words(
        gettext_noop("{first}; it was sent again, and we cannot tell whether that went out."), Side.CANNOT_KNOW,
        Sure.CERTAIN,
        gettext_noop("We have tried to send your message again and are checking whether that worked. Please check "
                     "your messages."),
        gettext_noop("Do not send it once more: the person could get it twice. It is being checked."),
    ),
    # ---------------------------------------------------------------- on its way
    Kind.NOT_DUE: Words(
        gettext_noop("Not due yet: it is to be sent {until}."), Side.OURS, Sure.CERTAIN,
        gettext_noop("Your message is to be sent {until}."), gettext_noop("Wait until then."),
    ),
    Kind.JUST_TOLD: Words(
        gettext_noop("We have just been told about this one, and {provider} is being asked."), Side.CANNOT_KNOW,
        Sure.CERTAIN, _ON_ITS_WAY, gettext_noop("Wait a minute; this page follows by itself."),
    ),
    Kind.TOO_EARLY: Words(
        gettext_noop("Too early to worry: it was sent {age} ago."), Side.NETWORK, Sure.LIKELY,
        gettext_noop("Your message was sent {age} ago and is on its way. It can take {takes}."),
        gettext_noop("Wait until {until}; this page follows by itself."),
    ),
    Kind.PARTS_COMING: Words(
        gettext_noop("{arrived} of {parts} parts have reached the phone so far; the text is not complete."),
        Side.NETWORK, Sure.LIKELY,
        gettext_noop("Your message comes in {parts} parts, and they have not all reached your phone yet. Please wait "
                     "a little."), gettext_noop("Wait for the other parts; this page follows by itself."),
    ),
    Kind.PROVIDER_TRIES_AGAIN: Words(
        gettext_noop("One try failed, and {provider} is trying again by itself{by}."), Side.NETWORK, Sure.LIKELY,
        gettext_noop("Your message could not be delivered at the first try. It is being tried again; please keep the "
                     "phone on."), gettext_noop("Wait for its report: sending now could make two texts of one."),
    ),
    Kind.TIME_RAN_OUT: Words(
        gettext_noop("Its time ran out {span} ago, and nobody has said what became of it."), Side.CANNOT_KNOW,
        Sure.CERTAIN, _MAYBE,
        gettext_noop("Ask the person whether it came. We keep asking until {until}; then it counts as unknown."),
    ),
    Kind.CANNOT_ASK: Words(
        gettext_noop("We cannot see what became of it: {why}."), Side.OURS, Sure.CERTAIN, _NO_CONFIRMATION,
        gettext_noop("Tell an administrator: {fix}. The message itself may well have arrived."),
    ),
    Kind.NOBODY_ASKS: Words(
        gettext_noop("We have not looked what became of it: our own worker is behind or has stopped."), Side.OURS,
        Sure.LIKELY, _NO_CONFIRMATION, gettext_noop("Tell an administrator that checks have been due for {span}."),
    ),
    Kind.ODD_WORD: Words(
        gettext_noop("{provider} said something about it that we do not understand."), Side.CANNOT_KNOW, Sure.CERTAIN,
        _NO_CONFIRMATION, gettext_noop("Tell an administrator the word below: somebody has to find out what it means."),
    ),
    Kind.NOT_KNOWN_THERE: Words(
        gettext_noop("{provider} says that it does not know this message."), Side.CANNOT_KNOW, Sure.GUESS,
        _NO_CONFIRMATION,
        gettext_noop("Check that it was registered with the right id and account; if so, raise it with {provider}."),
    ),
    Kind.NO_REPORTS: Words(
        gettext_noop("No reports arrive: {provider} has said nothing about other texts sent around that time either."),
        Side.PROVIDER, Sure.LIKELY, _NO_CONFIRMATION,
        gettext_noop("Tell operations: check that reports can reach us, and raise it with {provider}. The message "
                     "itself may well have arrived."),
    ),
    Kind.NOT_A_WORD: Words(
        gettext_noop("{provider} has not said a word about it since it was sent."), Side.PROVIDER, Sure.GUESS,
        _NO_CONFIRMATION, gettext_noop("Check now; if nothing comes, raise it with {provider}."),
    ),
    Kind.NOT_NAMED: Words(
        gettext_noop("{provider} has not told us yet by which id it knows this message, so we cannot ask."),
        Side.PROVIDER, Sure.CERTAIN, _NO_CONFIRMATION,
        gettext_noop("Wait: its list is read until the message is found."),
    ),
    Kind.HELD_BY_PROVIDER: Words(
        gettext_noop("It is stuck with {provider}: no network has it yet."), Side.PROVIDER, Sure.LIKELY, _DELAYED,
        gettext_noop("{raise_it}. Sending it again now could make two texts of one."),
    ),
    Kind.AT_GATEWAY: Words(
        gettext_noop("{provider} has passed it on, and no network has confirmed that it has it."), Side.PROVIDER,
        Sure.GUESS, _DELAYED, gettext_noop("{raise_it}. Sending it again now could make two texts of one."),
    ),
    Kind.TROUBLE_OF_MANY: Words(
        gettext_noop("Probably trouble {where}: most other texts sent around that time have not arrived either."),
        Side.NETWORK, Sure.LIKELY,
        gettext_noop("There seems to be a problem with messages to many phones at the moment, and yours is waiting "
                     "too. Please keep the phone on; it can still arrive."),
        gettext_noop("Wait, and tell operations: it is not this phone. Sending again would hardly help now."),
    ),
    Kind.PHONE_OFF: Words(
        gettext_noop("Probably the phone is off or has no signal; the network keeps trying."), Side.HANDSET,
        Sure.LIKELY,
        gettext_noop("Your message is waiting for your phone. Please switch it on where it has signal; {hope}."),
        gettext_noop("Ask the person to switch the phone on and check the signal. Otherwise wait until {until}."),
    ),
    Kind.STILL_TRYING: Words(
        gettext_noop("A network has it and {tries}."), Side.CANNOT_KNOW, Sure.GUESS,
        gettext_noop("Your message is on its way, and {hope}. Please make sure that the phone is on and has signal."),
        gettext_noop("Ask the person whether the phone is on and has signal. Otherwise wait until {until}."),
    ),
    # ---------------------------------------------------------------- nobody knows
    Kind.PROVIDER_UNSURE: Words(
        gettext_noop("{provider} says that it does not know what became of it."), Side.CANNOT_KNOW, Sure.CERTAIN,
        _MAYBE,
        gettext_noop("Ask the person whether it came. Only then send it again: it may have arrived. A later report "
                     "still counts."),
    ),
    Kind.NO_REPORT: Words(
        gettext_noop("No report came in time, so we cannot tell whether it arrived."), Side.CANNOT_KNOW, Sure.CERTAIN,
        _MAYBE,
        gettext_noop("Ask the person whether it came. Only then send it again: it may have arrived. A later report "
                     "still counts."),
    ),
    # ---------------------------------------------------------------- it did not arrive
    Kind.PHONE_WAS_OFF: Words(
        gettext_noop("Not received: the phone was off or out of reach until the time for it ran out."), Side.HANDSET,
        Sure.LIKELY,
        gettext_noop("{not_arrived} The phone was off or had no signal for too long. Please switch it on where it "
                     "has signal.{again}"), gettext_noop("Send it again once the person says that the phone is on."),
    ),
    Kind.LOST_WITH_MANY: Words(
        gettext_noop("Not received, like most other texts sent around that time: probably trouble {where}, not this "
                     "phone."), Side.NETWORK, Sure.LIKELY,
        gettext_noop("{not_arrived} There was a problem with messages to many phones at that time. We are "
                     "sorry.{again}"), gettext_noop("Tell operations. Send it again once others arrive."),
    ),
    Kind.TOO_LITTLE_TIME: Words(
        gettext_noop("Not received: it was given only {span}, and the phone was not reached in that time."), Side.OURS,
        Sure.LIKELY, gettext_noop("{not_arrived} The phone was not in reach at that moment.{again}"),
        gettext_noop("Send it again, with more time allowed, once the phone is on."),
    ),
    Kind.BAD_NUMBER: Words(
        gettext_noop("Not received: the network says that this number is wrong, out of use, or cannot get texts."),
        Side.HANDSET, Sure.LIKELY,
        gettext_noop("{not_arrived} Please check that the number is right and can get text messages."),
        gettext_noop("Check the number with the person; sending to the same number again will hardly help."),
    ),
    Kind.GOOD_NUMBER_REFUSED: Words(
        gettext_noop("Reported as a wrong or dead number, yet another text reached it {ago}: probably the number is "
                     "right."), Side.NETWORK, Sure.LIKELY,
        gettext_noop("{not_arrived} We are sorry; your number looks right to us, and we are looking into it."),
        gettext_noop("Send it again, through another account if there is one, and raise it with {provider}."),
    ),
    Kind.REFUSED: Words(
        gettext_noop("Not received: {provider} or a network refused it, for example because of its sender or its "
                     "words."), Side.PROVIDER, Sure.LIKELY,
        gettext_noop("{not_arrived} It was refused on the way. We are sorry, and we are looking into it."),
        gettext_noop("The same text would be refused again: change the sender or the words, or raise it with "
                     "{provider}."),
    ),
    Kind.REFUSED_WITH_MANY: Words(
        gettext_noop("Not received: it was refused, like most other texts sent around that time."), Side.OURS,
        Sure.GUESS,
        gettext_noop("{not_arrived} It was refused on the way, like others at that time. We are sorry, and we are "
                     "looking into it."),
        gettext_noop("Tell operations to check what this account may send, and as which sender; sending again will "
                     "hardly help."),
    ),
    Kind.STOPPED: Words(
        gettext_noop("Not received: it was deleted or stopped at {provider} before it went to the phone number."),
        Side.PROVIDER, Sure.CERTAIN, gettext_noop("{not_arrived} It was stopped before it was sent to you."),
        gettext_noop("Find out who stopped it and why; then it can be sent again."),
    ),
    Kind.MAY_BE_TRIED_AGAIN: Words(
        gettext_noop("It failed, but {provider} may still try again by itself."), Side.PROVIDER, Sure.LIKELY,
        gettext_noop("Your message could not be delivered at the first try, and may be tried again. Please keep the "
                     "phone on."), gettext_noop("Wait until {until}: sending now could make two texts of one."),
    ),
    Kind.WANTS_NONE: Words(
        gettext_noop("Not received: this number is on a list that gets no such texts."), Side.HANDSET, Sure.LIKELY,
        gettext_noop("{not_arrived} The number is on a list that gets no such messages. Tell us if you would like to "
                     "get them."),
        gettext_noop("Do not send it again. Ask whether the person wants texts; if not, note that on the number’s "
                     "page."),
    ),
    Kind.SENDER_REFUSED: Words(
        gettext_noop("Not received: the sender name it was sent with was refused."), Side.OURS, Sure.LIKELY,
        gettext_noop("{not_arrived} It was refused on the way. We are sorry, and we are looking into it."),
        gettext_noop("Tell operations: the same sender would be refused again. Raise it with {provider} or use "
                     "another sender."),
    ),
    Kind.WORDS_REFUSED: Words(
        gettext_noop("Not received: a filter refused it because of its words."), Side.OURS, Sure.LIKELY,
        gettext_noop("{not_arrived} It was refused on the way. We are sorry, and we are looking into it."),
        gettext_noop("The same text would be refused again: change the words, or raise it with {provider}."),
    ),
    Kind.NO_MONEY: Words(
        gettext_noop("Not received: the account {account} had no money left."), Side.OURS, Sure.LIKELY, _WE_LOOK,
        gettext_noop("Tell an administrator that {account} needs money, then send it again."),
    ),
    Kind.NO_ACCESS: Words(
        gettext_noop("Not received: {provider} did not accept our account or its key."), Side.OURS, Sure.LIKELY,
        _WE_LOOK, gettext_noop("Tell an administrator to look at the account {account}."),
    ),
    Kind.NO_WAY_THERE: Words(
        gettext_noop("Not received: the account {account} has no way to this network."), Side.OURS, Sure.LIKELY,
        gettext_noop("{not_arrived} We could not reach your network. We are sorry, and we are looking into it."),
        gettext_noop("Send it again through another account, and tell operations."),
    ),
    Kind.BARRED: Words(
        gettext_noop("Not received: the network gives this phone no texts."), Side.HANDSET, Sure.LIKELY,
        gettext_noop("{not_arrived} Your mobile network gives your phone no such messages. Please ask them to switch "
                     "that on."),
        gettext_noop("Ask the person to talk to their network; sending it again will hardly help."),
    ),
    Kind.PHONE_FULL: Words(
        gettext_noop("Not received: the phone has no room for more texts."), Side.HANDSET, Sure.LIKELY,
        gettext_noop("{not_arrived} The phone has no room for more messages. Please delete some.{again}"),
        gettext_noop("Send it again once the person has made room."),
    ),
    Kind.NETWORK_FAULT: Words(
        gettext_noop("Not received: a network had a fault of a kind that usually passes."), Side.NETWORK, Sure.LIKELY,
        gettext_noop("{not_arrived} There was a fault in a mobile network. We are sorry.{again}"),
        gettext_noop("Send it again in a while."),
    ),
    Kind.FAILED: Words(
        gettext_noop("Not received: {provider} says that it failed{reason}."), Side.CANNOT_KNOW, Sure.CERTAIN,
        gettext_noop("{not_arrived} We are sorry, and we do not know why.{again}"),
        gettext_noop("Send it again; if that fails too, raise it with {provider}."),
    ),
}  # fmt: skip
