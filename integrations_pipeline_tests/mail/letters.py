"""Mail as mail systems write it: reports, notices, vacation answers, receipts, lists.

Belongs here: forms seen in the wild or in the makers' documents, with invented people. Does not: assertions.
"""

from collections.abc import Sequence

from integrations_pipeline.mail.classify import Received

HOME = "ann@example.org"
PITCH_ID = "6adafcc1-b30b-43bc-84f0-6e641f59799e"
SENT_ID = "<CAjGEIU2EtCY2Yl9NfS9yQ@mail.gmail.com>"


def received(snippet: str = "", **headers: str) -> Received:
    """A message from a person; header names with `_` for `-`, "" for none."""
    given = {"from": f"Ann <{HOME}>", "to": "me@agency.org", "subject": "Re: A record", **headers}
    return Received(
        headers={name.replace("_", "-"): [value] for name, value in given.items() if value}, snippet=snippet
    )


def report(
    groups: Sequence[str],
    *,
    original: str | None = f"Message-ID: {SENT_ID}\r\nX-Integrations-Pitch: {PITCH_ID}\r\nSubject: A record",
    original_type: str = "message/rfc822",
    of_message: str = "Reporting-MTA: dns; mx.example.org",
) -> bytes:
    """A delivery status notification with a group of fields for each recipient."""
    fields = "\r\n\r\n".join([of_message, *groups])
    parts = [("text/plain; charset=utf-8", "It did not work."), ("message/delivery-status", fields + "\r\n")]
    if original is not None:
        body = "\r\n\r\nHello!\r\n" if original_type == "message/rfc822" else "\r\n"
        parts.append((original_type, original + body))
    body = "".join(f"--b\r\nContent-Type: {kind}\r\n\r\n{text}\r\n" for kind, text in parts)
    return (
        "From: mailer-daemon@example.org\r\nTo: me@agency.org\r\nSubject: Delivery Status Notification\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n' + body + "--b--\r\n"
    ).encode()


def group(action: str = "failed", status: str = "5.1.1", recipient: str = HOME, diagnostic: str = "") -> str:
    lines = [f"Final-Recipient: rfc822; {recipient}", f"Action: {action}", f"Status: {status}"]
    return "\r\n".join([*lines, *([f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else [])])


#: Vacation answers: what each system writes, and how its text begins.
AWAY: dict[str, Received] = {
    "Gmail": received(
        "I am away until Monday.", auto_submitted="auto-replied", precedence="bulk", x_autoreply="yes", return_path="<>"
    ),
    "Gmail, in a language without words that are known": received(
        "Olen Lapissa.", auto_submitted="auto-replied", precedence="bulk", x_autoreply="yes"
    ),
    "Exchange": received(
        "Thank you for your message.",
        subject="Automatic reply: A record",
        auto_submitted="auto-generated",
        x_auto_response_suppress="All",
        in_reply_to=SENT_ID,
    ),
    "Exchange, German": received(
        "Guten Tag", subject="Automatische Antwort: A record", auto_submitted="auto-generated"
    ),
    "Exchange, French": received("Bonjour", subject="Réponse automatique : A record", auto_submitted="auto-generated"),
    "Exchange, Spanish": received("Hola", subject="Respuesta automática: A record", auto_submitted="auto-generated"),
    "Exchange, Japanese": received("こんにちは", subject="自動応答: A record", auto_submitted="auto-generated"),
    "Exchange, whose gateway takes its headers away": received(
        "I am back on Monday.", subject="Automatic reply: A record"
    ),
    "vacation(1)": received("Gone fishing.", auto_submitted="auto-replied (vacation)", precedence="junk"),
    "Sieve, RFC 5230": received(
        "I'm out of the office.", auto_submitted="auto-replied (vacation)", subject="Auto: A record"
    ),
    "Sieve, without the comment": received("I'm out of the office.", auto_submitted="auto-replied; owner-email=x"),
    "Lotus Notes": received(subject="Ann Lee is out of the office", auto_submitted="auto-generated"),
    "Lotus Notes, out of office": received("until Monday", subject="Out of Office: A record"),
    "cPanel": received("I will be on leave.", x_autorespond="A record", precedence="auto_reply", x_loop="1"),
    "an older autoresponder": received("On holiday until May, back on 3 May.", precedence="bulk", in_reply_to=SENT_ID),
    "Zimbra": received(
        "Estoy fuera de la oficina.", auto_submitted="auto-replied (zimbra; vacation)", precedence="bulk"
    ),
    "Outlook.com": received("Ich bin im Urlaub.", auto_submitted="auto-replied", x_auto_response_suppress="All"),
    "Kerio": received("I am currently away.", x_autoreply="yes", x_autorespond="yes"),
    "nobody's header but an empty return path": received("Estoy de vacaciones.", return_path="<>"),
    "Dutch": received("Ik ben met vakantie.", auto_submitted="auto-replied"),
    "maternity leave": received("I am on maternity leave until June.", auto_submitted="auto-replied"),
}

#: Answers of machines about something else.
MACHINES: dict[str, Received] = {
    "a receipt": received("We got your message.", auto_submitted="auto-replied", x_auto_response_suppress="All"),
    "a receipt that will get back": received("We will get back to you shortly.", auto_submitted="auto-replied"),
    "a ticket": received(
        "Your request (4711) has been received.",
        auto_submitted="auto-generated",
        x_autoreply="yes",
        feedback_id="1:desk",
    ),
    "a ticket in the simplest form": received("Ticket 4711", x_autorespond="yes"),
    "a notice": received("Ann has joined.", auto_submitted="auto-notified"),
    "nobody's address": received("Thanks for writing.", **{"from": "no-reply@example.org"}),
    "a read receipt": received(
        "Your message was read.",
        subject="Read: A record",
        content_type="multipart/report; report-type=disposition-notification; boundary=x",
    ),
    "a complaint": received("", content_type="multipart/report; report-type=feedback-report; boundary=x"),
    "an older one": received("We are reading it.", precedence="auto_reply"),
    "one of the same age": received("We are reading it.", precedence="auto-reply"),
    "one with the name of its day": received("We are reading it.", x_precedence="auto_reply"),
    "one that tells how it came about": received("We are reading it.", x_autogenerated="Reply"),
    "a shop's": received("We are reading it.", x_amazon_auto_reply="true"),
    "one that says so": received("Thank you. This is an automated response.", in_reply_to=SENT_ID),
    "one that says so in German": received("Dies ist eine automatisch erstellte Antwort.", in_reply_to=SENT_ID),
    "one that says so in French": received("Ceci est un message automatique.", in_reply_to=SENT_ID),
    "one that says so in Spanish": received("Este es un mensaje automático.", in_reply_to=SENT_ID),
    "one that says so in Italian": received("Questo è un messaggio automatico.", in_reply_to=SENT_ID),
    "one that says so in Portuguese": received("Esta é uma mensagem automática.", in_reply_to=SENT_ID),
    "one that says so in Dutch": received("Dit is een automatisch bericht.", in_reply_to=SENT_ID),
    "one that says so in Danish": received("Dette er en automatisk besked.", in_reply_to=SENT_ID),
    "one that says so in Russian": received("Это автоматическое сообщение.", in_reply_to=SENT_ID),
    "one that says so in Korean": received("본 메일은 자동 응답입니다.", in_reply_to=SENT_ID),
    "one that a daemon signs": received("Your message awaits approval.", **{"from": "mailer-daemon@example.org"}),
}

LISTS: dict[str, Received] = {
    "a newsletter": received("News", list_id="News <news.example.org>", precedence="bulk", subject="This week"),
    "a newsletter without a name": received("News", list_unsubscribe="<https://example.org/u>", subject="This week"),
    "a mass mailing": received("News", precedence="bulk", subject="This week"),
    "a campaign": received("News", feedback_id="7:campaign:x", subject="This week"),
    "a discussion": received(
        "I think so, too.", list_id="<talk.example.org>", precedence="list", subject="[talk] Cats"
    ),
}

REPLIES: dict[str, Received] = {
    "of a person": received("Sounds good.", in_reply_to=SENT_ID),
    "without any header of its own": received("Sounds good."),
    "in a thread of its own": received("About your record", subject="Your record"),
    "who says no to the header": received("Sounds good.", auto_submitted="no"),
    "through a group": received("Sounds good.", list_id="<team.example.org>", precedence="list", in_reply_to=SENT_ID),
    "about a vacation": received("I read it on vacation, out of office, and like it.", in_reply_to=SENT_ID),
    "about an absence": received("Sounds good.", subject="Re: Out of office", in_reply_to=SENT_ID),
    "whose subject only sounds like it": received("Hi", subject="Absence management for artists"),
    "whose system wants no automatic answers": received("Yes", x_auto_response_suppress="DR, OOF, AutoReply"),
    "who quotes a bounce": received("Your mail was undeliverable at first", subject="Re: Undeliverable: A record"),
    "who denies it": received("Great! And this is not an automated reply.", in_reply_to=SENT_ID),
    "who asks": received("Is this an automated message?", in_reply_to=SENT_ID),
    "whose message was sent on": received("Yes", x_autogenerated="Redirect"),
    "with a return path": received("Yes", return_path="<ann@example.org>"),
}

#: Notices in words only: (message, whether it says that the address is dead).
NOTICES: dict[str, tuple[Received, bool]] = {
    "Gmail": (
        received(
            "The email account that you tried to reach does not exist.",
            **{"from": "mailer-daemon@googlemail.com", "subject": "Delivery Status Notification (Failure)"},
        ),
        True,
    ),
    "qmail": (
        received(
            "Hi. This is the qmail-send program. I'm afraid I wasn't able to deliver: Sorry, no mailbox here by "
            "that name. (#5.1.1)",
            **{"from": "MAILER-DAEMON@example.org", "subject": "failure notice"},
        ),
        True,
    ),
    "Exim": (
        received(
            "A message that you sent could not be delivered. ann@example.org: Unrouteable address",
            **{"from": "Mailer-Daemon@example.org", "subject": "Mail delivery failed: returning message to sender"},
        ),
        False,
    ),
    "Postfix": (
        received(
            "<ann@example.org>: host mx.example.org said: 550 5.1.1 User unknown",
            **{"from": "MAILER-DAEMON@example.org", "subject": "Undelivered Mail Returned to Sender"},
        ),
        True,
    ),
    "Exchange": (
        received(
            "ann@example.org wasn't found", **{"from": "postmaster@example.org", "subject": "Undeliverable: A record"}
        ),
        False,
    ),
    "a full mailbox": (
        received(
            "There was a temporary problem while delivering your message to ann@example.org. The response was: 452 "
            "4.2.2 The recipient's inbox is out of storage space.",
            **{"from": "mailer-daemon@googlemail.com", "subject": "Delivery incomplete"},
        ),
        False,
    ),
    "our own limit": (
        received(
            "** Message not sent ** You have reached a limit for sending mail. Your message was not sent.",
            **{
                "from": "mailer-daemon@googlemail.com",
                "subject": "Delivery Status Notification (Failure)",
                "x_failed_recipients": HOME,
            },
        ),
        False,
    ),
    "rejected as spam": (
        received(
            "550 5.7.1 Message rejected as spam; see https://example.org",
            **{"from": "MAILER-DAEMON@example.org", "subject": "Returned mail: see transcript for details"},
        ),
        False,
    ),
    "only the header tells": (
        received("No.", **{"from": "mailer-daemon@example.org", "subject": "Hello", "x_failed_recipients": HOME}),
        False,
    ),
}

DELAYS: dict[str, Received] = {
    "Gmail": received(
        "Gmail will retry for 47 more hours.",
        **{"from": "mailer-daemon@googlemail.com", "subject": "Delivery Status Notification (Delay)"},
    ),
    "Exim": received(
        "A message that you sent has not yet been delivered. No action is required on your part.",
        **{"from": "Mailer-Daemon@example.org", "subject": "Warning: message x delayed 24 hours"},
    ),
    "Sendmail": received(
        "Warning: message still undelivered after 4 hours. Will keep trying until message is 5 days old",
        **{"from": "MAILER-DAEMON@example.org", "subject": "Warning: could not send message for past 4 hours"},
    ),
}
