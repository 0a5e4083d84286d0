"""Bounces told in words only, in many languages and programs, and vacation answers without any header."""

import pytest

from integrations_pipeline.mail.classify import MailKind, classify, is_hard_bounce, may_be_notice
from integrations_pipeline.mail.notices import read_bounce, read_notice
from integrations_pipeline.mail.reports import Report
from integrations_pipeline_tests.mail.letters import HOME, PITCH_ID, SENT_ID, group, received, report

COPY = (
    f"Return-Path: <me@agency.org>\nReceived: by x\nMessage-ID: {SENT_ID}\nX-Integrations-Pitch: {PITCH_ID}\nTo: {HOME}"
)
BELOW = "--- Below this line is a copy of the message."


def mail(
    text: str, *, sender: str = "MAILER-DAEMON@example.org", subject: str = "failure notice", **more: str
) -> bytes:
    fields = {"From": sender, "To": "me@agency.org", "Subject": subject, **more}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return (head + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.replace("\n", "\r\n")).encode()


#: (the notice's own words, whether they say that the address is dead).
WORDS: dict[str, tuple[str, bool]] = {
    "qmail": (f"<{HOME}>:\nSorry, no mailbox here by that name. (#5.1.1)", True),
    "qmail, without a code": (f"<{HOME}>:\nSorry, no mailbox here by that name.", True),
    "Yahoo": (f"<{HOME}>:\n554: delivery error: dd This user doesn't have a yahoo.com account ({HOME}) [0]", True),
    "Yahoo, over quota": (f"<{HOME}>:\n554: delivery error: dd Sorry, it cannot be delivered. Over quota", False),
    "Exim": (f"  {HOME}\n    550 5.1.1 <{HOME}>: Recipient address rejected: User unknown", True),
    "Exim, without an enhanced code": (f"  {HOME}\n    host mx [192.0.2.1]: 550 No such user here", True),
    "Exim, full": (f"  {HOME}\n    552 5.2.2 mailbox full", False),
    "Exim, policy": (f"  {HOME}\n    550 5.7.1 rejected for policy reasons: user unknown or not", False),
    "Postfix": (f"<{HOME}>: host mx said: 550 5.1.1 User unknown (in reply to RCPT TO command)", True),
    "German": (f"Ihre Nachricht konnte nicht zugestellt werden.\n{HOME}\nDie Adresse existiert nicht.", True),
    "German, a user": (f"Unzustellbar: {HOME}: Empfänger unbekannt", True),
    "French": (f"Votre message n'a pas pu être remis à {HOME} : adresse inconnue.", True),
    "Spanish": (f"No se pudo entregar el mensaje a {HOME}: el usuario no existe.", True),
    "Italian": (f"Mancato recapito a {HOME}: indirizzo inesistente", True),
    "Dutch": (f"Uw bericht aan {HOME} is onbestelbaar: het adres bestaat niet.", True),
    "Portuguese": (f"Falha na entrega para {HOME}: o endereço não existe.", True),
    "Polish": (f"Wiadomość nie została dostarczona do {HOME}: adres nie istnieje.", True),
    "Swedish": (f"Meddelandet till {HOME} kunde inte levereras. Adressen finns inte.", True),
    "Danish": (f"Beskeden til {HOME} kunne ikke leveres: adressen findes ikke.", True),
    "Norwegian": (f"Meldingen til {HOME} kunne ikke leveres. Adressen finnes ikke.", True),
    "Finnish": (f"Viestin toimitus epäonnistui: {HOME}. Osoitetta ei ole olemassa.", True),
    "Russian": (f"Ваше письмо не может быть отправлено: {HOME}: адресат не найден", True),
    "Russian, full": (f"Письмо не доставлено: {HOME}: почтовый ящик переполнен", False),
    "Chinese": (f"退信原因 {HOME} 收件人邮件地址不存在", True),
    "Japanese": (f"{HOME} に配信できませんでした。宛先不明です。", True),
    "French, without accents": (f"Echec de remise: {HOME}: Destinataire inconnu", True),
    "French, in the active": (f"Nous n'avons pas pu délivrer votre message à {HOME} : adresse inconnue", True),
    "outlook.com": (f"{HOME}: 550 5.5.0 Requested action not taken: mailbox unavailable", True),
    "a command that failed": (f"{HOME}: 550 5.5.0 Requested action not taken", False),
    "in haste": (f"{HOME}: 550 5.2.1 The user is receiving mail at a rate that prevents more", False),
    "busy": (f"<{HOME}>: host mx said: 450 Requested action not taken: mailbox unavailable. Giving up.", False),
    "qmail, tried too long": (f"<{HOME}>:\nI'm not going to try again; in the queue too long. (#4.4.1)", False),
    "a language without words that are known": (f"Póstur komst ekki til skila: {HOME} 550 5.1.1", True),
    "German, full": (f"Nicht zugestellt: {HOME}. Das Postfach ist voll, Empfänger nicht gefunden.", False),
}  # fmt: skip


@pytest.mark.parametrize("is_copied", [True, False], ids=["with a copy", "without"])
@pytest.mark.parametrize(("text", "is_hard"), WORDS.values(), ids=WORDS)
def test_a_notice_in_words_is_read(text: str, is_hard: bool, is_copied: bool) -> None:
    found = read_bounce(mail(text + (f"\n\n{BELOW}\n\n{COPY}\n\nDear {HOME}, 5.1.1" if is_copied else "")))
    assert found is not None
    assert not found.goes_on
    assert HOME in found.recipients
    assert found.is_hard_for([HOME]) is is_hard
    assert (found.message_ids, found.pitch_id) == (((SENT_ID,), PITCH_ID) if is_copied else ((), ""))


DELAYS = {
    "English": f"Your message to {HOME} has not yet been delivered. We will keep trying.",
    "German": f"Die Zustellung an {HOME} ist verzögert: 451 4.7.1",
    "French": f"Le message à {HOME} est retardé, nouvelle tentative plus tard.",
}


@pytest.mark.parametrize("text", DELAYS.values(), ids=DELAYS)
def test_a_delay_in_words_goes_on(text: str) -> None:
    found = read_bounce(mail(text, subject="Warning"))
    assert found is not None
    assert found.goes_on


def test_each_recipient_of_a_notice_has_a_fate_of_its_own() -> None:
    text = "<dead@example.org>:\n550 5.1.1 unknown\n\n<full@example.org>:\n552 5.2.2 mailbox full\n"
    found = read_bounce(mail(text))
    assert found is not None
    assert [found.is_hard_for([each]) for each in ("dead@example.org", "full@example.org", HOME)] == [
        True,
        False,
        False,
    ]


def test_words_before_the_address_count_though_the_text_names_a_help_desk_too() -> None:
    text = f"The following address does not exist:\n\n  {HOME}\n\nQuestions? Write to help@example.org.\n"
    found = read_bounce(mail(f"Your message was not delivered. {text}"))
    assert found is not None
    assert found.is_hard_for([HOME])


def test_what_failed_in_the_end_is_no_delay_though_it_was_tried_again() -> None:
    found = read_bounce(mail(f"{HOME}: delivery was delayed and tried again; giving up: 550 5.1.1 unknown"))
    assert found is not None
    assert (found.goes_on, found.is_hard_for([HOME])) == (False, True)


def test_the_header_says_who_failed_where_the_text_names_more() -> None:
    text = f"For help write to help@example.org.\n\n  {HOME}\n    550 5.1.1 unknown\n"
    found = read_bounce(mail(text, X_Failed_Recipients=HOME))
    assert found is not None
    assert found.recipients == (HOME,)


COPIES = {
    "a marked one": f"{BELOW}\n\n{COPY}\n\nHello",
    "Exim's": f"------ This is a copy of the message, including all the headers. ------\n\n{COPY}\n\nHello",
    "the header alone, without a mark": f"{COPY}\n",
    "a quoted one": "\n".join(f"> {line}" for line in COPY.splitlines()),
    "under a German mark": f"Ursprüngliche Nachricht:\n{COPY}\n\nHallo",
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_the_copy_below_tells_which_message_came_back_and_nothing_else(copy: str) -> None:
    found = read_notice(mail(f"<{HOME}>: mailbox is full\n\n{copy}\n\nuser unknown 5.1.1 other@example.org"))
    assert found is not None
    assert (found.message_ids, found.pitch_id, found.recipients) == ((SENT_ID,), PITCH_ID, (HOME,))
    assert not found.is_hard_for([HOME])


def test_a_notice_may_be_html_or_carry_the_message_as_a_part() -> None:
    html = mail(f"<p>Your message to <b>{HOME}</b> could not be delivered:<br>550 5.1.1 unknown</p>")
    found = read_notice(html.replace(b"text/plain", b"text/html"))
    assert found is not None
    assert found.is_hard_for([HOME])
    parts = (
        "From: MAILER-DAEMON@example.org\r\nSubject: failure notice\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
        f"<{HOME}>: 550 5.1.1 unknown\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"{COPY}\r\n\r\nHello\r\n--b--\r\n"
    )
    found = read_notice(parts.replace("\n", "\r\n").replace("\r\r", "\r").encode())
    assert found is not None
    assert (found.is_hard_for([HOME]), found.pitch_id) == (True, PITCH_ID)


def test_international_reports_are_read_in_every_encoding() -> None:
    plain = report([group().replace("rfc822;", "utf-8;")])
    for kind in (b"message/global-delivery-status", b"message/delivery-status"):
        found = read_bounce(plain.replace(b"message/delivery-status", kind))
        assert found is not None
        assert found.is_hard_for([HOME]), kind


def test_a_report_whose_parts_name_nobody_is_completed_by_its_words() -> None:
    raw = report([], of_message="Reporting-MTA: dns; x").replace(
        b"It did not work.", f"<{HOME}>: 550 5.1.1 User unknown".encode()
    )
    found = read_bounce(raw)
    assert found is not None
    assert (found.recipients, found.is_hard_for([HOME]), found.pitch_id) == ((HOME,), True, PITCH_ID)


def test_the_second_opinion_tells_whom_but_never_that_an_address_is_dead() -> None:
    """A form that flufl.bounce knows and that says nothing in our words."""
    raw = mail(f"Here is your list of failed recipients:\n\n{HOME}\n\nHere is your returned mail.\n", subject="Mail")
    found = read_bounce(raw)
    assert found is not None
    assert (found.goes_on, found.recipients, found.is_hard_for([HOME])) == (False, (HOME,), False)


NO_NOTICES = {
    "a daemon that says something else": mail("Your message awaits approval.", subject="Approval"),
    "a receipt": report([group()]).replace(b"report-type=delivery-status", b"report-type=disposition-notification"),
    "a complaint": report([group()]).replace(b"report-type=delivery-status", b"report-type=feedback-report"),
    "nothing": b"",
}


@pytest.mark.parametrize("raw", NO_NOTICES.values(), ids=NO_NOTICES)
def test_other_mail_of_machines_is_no_notice(raw: bytes) -> None:
    assert read_bounce(raw) is None


def test_only_what_may_be_a_notice_is_read_whole() -> None:
    for sender in ("MAILER-DAEMON@yahoo.com", "postmaster+x@example.org", "Mailer_Daemon@example.org", ""):
        assert may_be_notice(received(**{"from": sender}).headers), sender
    assert may_be_notice(received(x_failed_recipients=HOME).headers)
    assert may_be_notice(received(subject="Undeliverable: A record", auto_submitted="auto-replied").headers)
    for message in (received(), received(subject="Re: Undeliverable"), received(auto_submitted="auto-replied")):
        assert not may_be_notice(message.headers)


def test_a_notice_that_could_not_be_read_whole_bars_only_whom_its_header_names() -> None:
    told = received("550 5.1.1 User unknown", **{"from": "mailer-daemon@example.org", "x_failed_recipients": HOME})
    assert classify(told, []) is MailKind.BOUNCE
    assert is_hard_bounce(told, [HOME])
    assert not is_hard_bounce(told, ["bob@example.org"])


def test_a_lone_recipient_without_a_name_may_be_anybody_but_is_never_dead() -> None:
    bare = read_notice(mail("Undeliverable."))
    assert bare is not None
    assert bare.about([HOME]) == bare == Report(fates=bare.fates)
    assert not bare.is_hard_for([HOME])


#: Vacation answers without a header that tells: (subject, text).
AWAY = {
    "German": ("Abwesenheitsnotiz: Re: A record", "Ich bin bis 5. Mai nicht im Büro."),
    "German, in the text": (
        "Re: A record",
        "Vielen Dank für Ihre Nachricht. Ich bin bis zum 5. Mai im Urlaub. In dringenden Fällen wenden Sie sich an",
    ),
    "French": ("Réponse automatique : A record", "Je suis absente."),
    "French, in the text": ("Re: A record", "Bonjour, je suis en congé jusqu'au 5 mai. En cas d'urgence, contactez"),
    "French, absence": ("Message d'absence", "Je suis absent."),
    "Spanish": ("Respuesta automatica: A record", "Estoy de vacaciones."),
    "Spanish, in the text": ("Re: A record", "Estoy fuera de la oficina. Para urgencias escriba a"),
    "Italian": ("Fuori ufficio: A record", "Sono in ferie."),
    "Italian, in the text": ("Re: A record", "Sono in ferie fino al 5 maggio. Per urgenze scrivere a"),
    "Dutch": ("Afwezigheidsbericht: A record", "Ik ben met vakantie."),
    "Dutch, in the text": ("Re: A record", "Ik ben afwezig tot 5 mei. Voor dringende zaken kunt u"),
    "Polish": ("Automatyczna odpowiedź: A record", "Jestem na urlopie."),
    "Polish, in the text": ("Re: A record", "Jestem na urlopie do 5 maja. W pilnych sprawach proszę"),
    "Portuguese": ("Resposta automática: A record", "Estou de férias."),
    "Portuguese, in the text": ("Re: A record", "Estou de férias até 5 de maio. Em caso de urgência contacte"),
    "Swedish": ("Autosvar: A record", "Jag är på semester."),
    "Swedish, a longer word": ("Frånvaromeddelande: A record", "Jag är tillbaka på måndag."),
    "Swedish, in the text": ("Re: A record", "Jag är på semester. Vid brådskande ärenden kontakta"),
    "Danish": ("Automatisk svar: A record", "Jeg er på ferie."),
    "Danish, in the text": ("Re: A record", "Jeg holder ferie. Ved akutte henvendelser"),
    "Norwegian": ("Fravær: A record", "Jeg er på ferie."),
    "Norwegian, in the text": ("Re: A record", "Jeg er ikke på kontoret. Haster det? Jeg svarer når jeg er tilbake"),
    "Finnish": ("Automaattinen vastaus: A record", "Olen lomalla."),
    "Finnish, in the text": ("Re: A record", "Olen lomalla 5.5. asti. Kiireellisissä asioissa ota yhteyttä"),
    "Czech, in the text": ("Re: A record", "Do 5. 5. jsem na dovolené. V naléhavých případech"),
    "Hungarian, in the text": ("Re: A record", "Szabadságon vagyok. Sürgős esetben hívja"),
    "Romanian, in the text": ("Re: A record", "Sunt în concediu. Pentru urgențe"),
    "Turkish, in the text": ("Re: A record", "Şu anda izindeyim. Acil durumlar için"),
    "Greek, in the text": ("Re: A record", "Είμαι σε άδεια. Για επείγοντα θέματα"),
    "Japanese": ("【自動返信】不在のお知らせ", "休暇中です。"),
    "Japanese, in the text": ("Re: A record", "夏季休暇をいただいております。お急ぎの場合は"),
    "Chinese": ("自动回复：A record", "我正在休假。"),
    "Chinese, in the text": ("Re: A record", "我正在休假，如有急事请联系"),
    "Korean, in the text": ("Re: A record", "현재 휴가 중입니다. 급한 용무는"),
    "somebody who left": ("Re: A record", "Ann has left the company. Your e-mail has not been forwarded."),
    "Lotus Notes, without headers": ("AUTO: Ann is out of the office (returning 05/05)", "until then"),
    "English, in the text": ("Re: A record", "I am out of the office until Monday. If this is urgent, call Bob."),
    "English, will read later": ("Re: A record", "I'm on leave and will reply to your e-mail when I return."),
}


@pytest.mark.parametrize(("subject", "text"), AWAY.values(), ids=AWAY)
def test_a_vacation_answer_without_headers_is_known_by_its_words(subject: str, text: str) -> None:
    assert classify(received(text, subject=subject, in_reply_to=SENT_ID), []) is MailKind.OUT_OF_OFFICE


PEOPLE = {
    "who went elsewhere": "I no longer work at Nordlys, but do send it to my own address.",
    "who was away": "Sorry, I was on vacation! Yes, please send me the record.",
    "who goes away": "I am on vacation next week, but let us talk on Friday.",
    "who is in a hurry": "This is urgent: please send it by Friday.",
    "who writes German": "Ich war im Urlaub und melde mich erst jetzt. Gerne!",
}


@pytest.mark.parametrize("text", PEOPLE.values(), ids=PEOPLE)
def test_people_who_speak_of_absences_have_replied(text: str) -> None:
    assert classify(received(text, in_reply_to=SENT_ID), []) is MailKind.REPLY
