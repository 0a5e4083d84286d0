"""Mails as other programs write them: answers, reports of failed delivery in many forms, absences.

Belongs here: texts after what qmail, Exim, Postfix, Exchange and the large services send, written anew. Does not:
what the product must make of them.
"""

import itertools
from datetime import UTC, datetime
from email.message import EmailMessage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime

OWNER = "owner@imitation.test"
_NUMBERS = itertools.count(1)


def mail(sender: str, subject: str, text: str, **headers: str) -> bytes:
    """A plain mail; `_` in a header's name stands for `-`, and an empty value leaves a standard one out."""
    message = EmailMessage()
    told = {
        "From": sender,
        "To": OWNER,
        "Subject": subject,
        "Date": format_datetime(datetime.now(UTC)),
        "Message-ID": f"<out{next(_NUMBERS)}@elsewhere.test>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    for name, value in told.items():
        if value:
            message[name] = value
    message.set_content(text)
    return message.as_bytes()


def answer(sender: str, subject: str, to: str = "", **headers: str) -> bytes:
    """A person's answer; `to` is the Message-ID that it names."""
    named = {"In_Reply_To": to, "References": to} if to else {}
    return mail(
        sender,
        subject if subject.lower().startswith("re:") else f"Re: {subject}",
        "Yes, tell me more.",
        **named,
        **headers,
    )


def report(
    recipient: str,
    original: str = "",
    *,
    kind: str = "message/delivery-status",
    status: str = "5.1.1",
    action: str = "failed",
    subject: str = "Delivery Status Notification (Failure)",
    text: str = "The address was not found.",
    delivered: str = "",
) -> bytes:
    """A report after RFC 3464 about one recipient, with the head of the original below; `delivered` names another
    one, who got it."""
    whole = MIMEMultipart("report", report_type="delivery-status")
    whole["From"] = "Mail Delivery Subsystem <mailer-daemon@googlemail.com>"
    whole["To"] = OWNER
    whole["Subject"] = subject
    whole["Date"] = format_datetime(datetime.now(UTC))
    whole["Message-ID"] = f"<dsn{next(_NUMBERS)}@mx.google.com>"
    whole["Auto-Submitted"] = "auto-replied"
    whole["X-Failed-Recipients"] = recipient
    if original:
        whole["In-Reply-To"] = whole["References"] = original
    whole.attach(MIMEText(f"{text}\n\n{recipient}\n"))
    fields = f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n"
    fields += f"Diagnostic-Code: smtp; 550 {status} no such user\n"
    if delivered:
        fields += f"\nFinal-Recipient: rfc822; {delivered}\nAction: delivered\nStatus: 2.0.0\n"
    inner = MIMEText("")
    inner.set_payload(f"Reporting-MTA: dns; googlemail.com\n\n{fields}")
    # Its kind is put in afterwards: the standard library writes no report of its own kinds from text.
    inner.replace_header("Content-Type", "text/x-status")
    whole.attach(inner)
    head = EmailMessage()
    head["From"], head["To"], head["Subject"] = OWNER, recipient, "As it was sent"
    if original:
        head["Message-ID"] = original
    whole.attach(MIMEMessage(head))
    return whole.as_bytes().replace(b"text/x-status", kind.encode())


def _copy(recipient: str, original: str) -> str:
    head = f"Return-Path: <{OWNER}>\nFrom: {OWNER}\nTo: {recipient}\nSubject: Story\nMessage-ID: {original}"
    return f"{head}\n\nHello, here is a story.\n"


def qmail(recipient: str, original: str) -> bytes:
    text = (
        "Hi. This is the qmail-send program at mx.elsewhere.test.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{recipient}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
        f"--- Below this line is a copy of the message.\n\n{_copy(recipient, original)}"
    )
    return mail("MAILER-DAEMON@mx.elsewhere.test", "failure notice", text, Return_Path="<>")


def yahoo(recipient: str, original: str) -> bytes:
    text = (
        "Sorry, we were unable to deliver your message to the following address.\n\n"
        f"<{recipient}>:\n554: delivery error: dd This user doesn't have a yahoo.com account ({recipient}) [-5] - "
        f"mta1.mail.yahoo.com\n\n"
        f"--- Below this line is a copy of the message.\n\n{_copy(recipient, original)}"
    )
    return mail("MAILER-DAEMON@yahoo.com", "Failure Notice", text, Return_Path="<>")


def exim(recipient: str, original: str) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. "
        f"The following address(es) failed:\n\n  {recipient}\n    host mx.elsewhere.test [192.0.2.7]\n"
        "    SMTP error from remote mail server after RCPT TO:<" + recipient + ">:\n"
        f"    550 5.1.1 User unknown\n\n"
        f"------ This is a copy of the message, including all the headers. ------\n\n{_copy(recipient, original)}"
    )
    return mail(
        "Mail Delivery System <Mailer-Daemon@mx.elsewhere.test>",
        "Mail delivery failed: returning message to sender",
        text,
        X_Failed_Recipients=recipient,
        Auto_Submitted="auto-replied",
        Return_Path="<>",
    )


def german(recipient: str, original: str) -> bytes:
    text = (
        "Ihre Nachricht konnte an den folgenden Empfänger nicht zugestellt werden:\n\n"
        f"{recipient}\n\nGrund: 550 5.1.1 Benutzer unbekannt\n\n"
        f"----- Ursprüngliche Nachricht -----\n\n{_copy(recipient, original)}"
    )
    return mail(
        "postmaster@elsewhere.test", "Unzustellbar: Story", text, Auto_Submitted="auto-replied", Return_Path="<>"
    )


def french(recipient: str, original: str) -> bytes:
    text = (
        "Votre message n'a pas pu être remis au destinataire suivant :\n\n"
        f"<{recipient}> : 550 5.1.1 Adresse inconnue\n\n--- Copie du message ---\n\n{_copy(recipient, original)}"
    )
    return mail("MAILER-DAEMON@elsewhere.test", "Échec de la remise de votre message", text, Return_Path="<>")


def sendmail(recipient: str, original: str) -> bytes:
    text = (
        "   ----- The following addresses had permanent fatal errors -----\n"
        f"<{recipient}>\n    (reason: 550 5.1.1 <{recipient}>... User unknown)\n\n"
        f"   ----- Transcript of session follows -----\n550 5.1.1 <{recipient}>... User unknown\n\n"
        f"   ----- Original message follows -----\n\n{_copy(recipient, original)}"
    )
    return mail(
        "Mail Delivery Subsystem <MAILER-DAEMON@elsewhere.test>", "Returned mail: see transcript for details", text
    )


#: Absences as programs write them that set no header for it: subject and text.
ABSENCES = {
    "German": ("Automatische Antwort: Story", "Ich bin bis zum 12. Januar nicht im Büro."),
    "German, absence note": ("Abwesenheitsnotiz: Story", "Vielen Dank für Ihre Nachricht. Ich bin derzeit abwesend."),
    "French": ("Réponse automatique : Story", "Je suis absent du bureau jusqu'au 12 janvier."),
    "Spanish": ("Respuesta automática: Story", "Estoy fuera de la oficina hasta el 12 de enero."),
    "Norwegian": ("Automatisk svar: Story", "Jeg er ikke på kontoret før 12. januar."),
    "Dutch": ("Automatisch antwoord: Story", "Ik ben afwezig tot 12 januari."),
    "Italian": ("Risposta automatica: Story", "Sono fuori ufficio fino al 12 gennaio."),
    "Portuguese": ("Resposta automática: Story", "Estou fora do escritório até 12 de janeiro."),
    "English": ("Automatic reply: Story", "I am out of the office until 12 January."),
    "English, out of office": ("Out of Office: Story", "I am away until 12 January with no access to mail."),
}
