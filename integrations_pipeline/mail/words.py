"""The words by which mail systems and people's autoresponders say what no header says, in the languages they speak.

Belongs here: patterns, a language a line where there are many. Does not: what follows from a word (`notices`,
`classify`).
"""

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)


#: A mail system goes on trying.
GOES_ON = _any(
    r"\(delay\)|delayed|(will|to) (be )?(retry|retried|try|tried|keep trying)|tried again|still trying",
    r"not yet been delivered|no action is required|warning: could not send",
    r"verzögert|weitere (zustell)?versuche",
    r"nouvelle tentative|retardé",
    r"retras|se volverá a intentar",
    r"ritardat|ritentat",
    r"vertraagd|vertraging|opnieuw (geprobeerd|proberen)",
    r"atrasad|nova tentativa",
    r"opóźni",
    r"fördröj|försenad|forsink",
    r"viivästy",
    r"задерж",
)
#: It tried, and will no more.
GAVE_UP = _any(r"(not going to|will not|won't) try again|giv(en|ing) up|gave up|in the queue too long")
#: A message did not arrive.
FAILED = _any(
    r"undeliver|not (be )?delivered|deliver\w* (\w+ ){0,3}(fail|incomplete|problem)|failure|returned mail|rejected",
    r"mail delivery failed|could ?n[o']t be (sent|delivered)|not sent|problem (while )?delivering",
    r"(wasn't|not|un) ?able to deliver|(cannot|can't) be delivered|returned to sender",
    r"unzustellbar|nicht zu(ge)?stell|zustellung\w* (\w+ ){0,4}(fehlgeschlagen|gescheitert|nicht)|fehlgeschlagen",
    r"non remis|pas (pu )?(être )?(remis|distribué|délivré)|pas pu (remettre|distribuer|délivrer)|[ée]chec"
    r"|impossible de (remettre|distribuer)",
    r"no (se )?(ha |pudo |puede )?(podido )?(ser )?entrega|devuelto|fallo (en|de) (la )?entrega|error de entrega",
    r"mancat[oa] (recapito|consegna)|non (è stato )?(possibile )?(recapitat|consegna)",
    r"impossibile (recapitare|consegnare)",
    r"onbestelbaar|niet (worden )?(bezorgd|afgeleverd)|bezorging mislukt",
    r"não (foi |pôde |pode )?(ser )?entreg|falha (na|de) entrega",
    r"nie (został\w* )?dostarcz|niedostarcz|niedoręcz",
    r"kunde inte (levereras|skickas)|ej levererbar",
    r"kunne ikke (leveres|sendes)|ikke levert|ikke leveret",
    r"toimitus epäonnistui|ei voitu toimittaa",
    r"nedoručen",
    r"не (было |может быть |могло быть |удалось )?(достав|отправ)|недоставлен",
    r"配信できません|配信不能|送信できません|无法投递|退信",
)
#: There is no such address.
DEAD = _any(
    r"(does ?n[o']t|do not|did not|didn't) exist",
    r"(user|address|recipient|mailbox|account) (name )?(is |was |has been )?"
    r"(unknown|not found|unavailable|disabled|deactivated|deleted|closed|invalid|inactive)",
    r"(unknown|invalid|illegal|bad) (or illegal )?(user|address|recipient|mailbox|account|alias|destination)",
    r"no such (user|address|recipient|mailbox|account|person)|no mailbox|no account|address not found",
    r"address couldn't be found|doesn't have an? \S+ account|not a (valid|known) (user|recipient|mailbox|address)",
    r"not known (here|at)|no longer (valid|in use|available|works|employed)",
    r"existiert nicht|(empfänger|adresse|benutzer|postfach)\w* (ist |wurde |nicht )*(unbekannt|gefunden|ungültig)",
    r"unbekannte\w* (empfänger|adresse|benutzer)",
    r"n[’']existe pas|(adresse|destinataire|utilisateur) (est )?inconnue?",
    r"no existe|(usuario|destinatario|dirección) (es )?desconocid",
    r"non esiste|(utente|destinatario|indirizzo) (è )?(sconosciut|inesistente)",
    r"bestaat niet|onbekende? (gebruiker|ontvanger|adres)",
    r"não existe|(usuário|utilizador|destinatário|endereço) (é )?(desconhecid|inexistente)",
    r"nie istnieje|nieznany (użytkownik|odbiorca|adres)",
    r"finns inte|okänd (mottagare|användare|adress)",
    r"findes ikke|finnes ikke|eksisterer ikke|ukendt modtager|ukjent mottaker",
    r"ei ole olemassa|tuntematon vastaanottaja",
    r"не существует|не найден|存在しません|宛先不明|不存在",
)
#: What speaks of the day, the message or a policy: the address may work tomorrow.
PASSING = _any(
    r"quota|mailbox (is )?full|storage|too (large|big|many)|spam|polic(y|ies)|blocked|black ?list|block ?list|limit"
    r"|(at|of) a rate|too (quickly|fast|often)|reputation|listed (at|by|in|on)\b",
    r"temporar|gr[ea]ylist|try again|postfach (des empfängers )?(ist )?voll|überfüllt|boîte (aux lettres )?pleine"
    r"|(buzón|casilla) (está )?llen[oa]|casella (di posta )?piena|caixa (postal |de correio )?cheia|переполнен",
)
#: Where a notice ends and what was sent begins.
COPY = _any(
    r"^[ \t>*=-]{0,80}(below this line is a copy|this is a copy of|original message|enclosed is a copy"
    r"|unsent message below|message (text|headers?) follows?|(the )?(headers?|text) of (the|your) (original )?message"
    r"|ursprüngliche nachricht|kopie der nachricht|message d'origine|mensaje original|messaggio originale"
    r"|oorspronkelijk bericht|mensagem original|oryginalna wiadomość|ursprungligt meddelande|oprindelig meddelelse"
    r"|alkuperäinen viesti)",
)
#: How programs begin the subject of a vacation answer. The second kind only counts where the subject ends there, or
#: goes on after a colon, a dash or a bracket: "Absence management" is somebody's topic.
AWAY_SUBJECT = _any(
    r"\s*(out of (the )?office\b|ooo\b|abwesenheits\w*\b|auto: .*\bout of (the )?office\b)",
    r"\s*[\[【]?(自動(返信|応答|回覆|回复)|自动(回复|答复))",
    r"\s*(automatic reply|auto[- ]?reply|auto[- ]response|auto(matic)? response|i am (currently )?(away|out of office)"
    r"|(ich bin )?abwesend|abwesenheit|automatische (antwort|nachricht|rückantwort)|nicht im (büro|haus)"
    r"|réponse automatique|(message|avis) d[’']absence|absence( du bureau)?|absente?( du bureau)?"
    r"|respuesta autom[áa]tica|fuera de (la )?oficina|ausencia|ausente|mensaje de ausencia"
    r"|risposta automatica|fuori (sede|ufficio)|assenza|assente|avviso di assenza"
    r"|resposta autom[áa]tica|fora do escrit[óo]rio|aus[êe]ncia( do escrit[óo]rio)?|mensagem de aus[êe]ncia"
    r"|automatisch antwoord|automatische reactie|afwezig|afwezigheid\w*|niet (op|aan)wezig|buiten kantoor|met vakantie"
    r"|autosvar|automatiskt? svar|frånvar\w*|fraværs?\w*|ikke (til stede|på kontoret)|ude af kontoret|ute av kontoret"
    r"|inte på kontoret"
    r"|automaattinen (vastaus|viesti)|poissa( toimistolta)?|poissaoloilmoitus|lomalla|lomailmoitus"
    r"|automatyczna odpowiedź|odpowiedź automatyczna|(jestem )?poza biurem|nieobecność( w biurze)?"
    r"|nie ma mnie w biurze"
    r"|automatická odpověď|automatická odpoveď|automatikus válasz|răspuns automat|otomatik yanıt|αυτόματη απάντηση"
    r"|автоответ\w*|автоматическ(ий|ое) (ответ|сообщение)|自動応答|自動返信|自動回覆|自动答复|자동 회신|不在)"
    r"\s*([:\uff1a(\[–-]|$)",
)
#: How people say in such an answer that they are away.
AWAY = _any(
    r"out of (the |my )?office|away (from|until|till|on|for)\b|\b(am|i'm|i’m|be|is|currently) away\b|vacation",
    r"on \w* ?(leave|holidays?)\b|on (business )?travel|maternity|paternity|sabbatical",
    r"back (in|at) the office|back on|return\w* (on|to (the office|work))|(limited|no) access to (my )?e-?mail",
    r"abwesen|nicht im (büro|haus)|(im|in) urlaub|elternzeit|nicht erreichbar|außer haus",
    r"en congés?|en vacances|absente?\b|hors du bureau",
    r"de vacaciones|fuera de la oficina|estoy (ausente|fuera)|estaré (ausente|fuera)",
    r"in ferie|fuori (ufficio|sede)|(sono|sarò) assente",
    r"de férias|fora do escritório|(estou|estarei) ausente",
    r"(met|op) vakantie|afwezig|niet op kantoor",
    r"på semester|(inte|ej) på kontoret|föräldraledig|är (borta|ledig)",
    r"på ferie|ikke på kontoret|(har|holder) ferie|er bortreist|er ikke til stede",
    r"lomalla|en ole (toimistolla|paikalla)|poissa toimistolta",
    r"na urlopie|poza biurem|nieobecn",
    r"в отпуске|отсутству",
    r"dovolen[éek]|szabadságon|(în|in) concediu|izinde(yim)?\b|σε άδεια",
    r"不在|休暇|休業|休假|出差|휴가|부재",
    r"(has|have) left (the |our )?(company|firm|organi[sz]ation)|no longer (works|employed|with (us|the company))",
    r"wieder (erreichbar|im (büro|haus))|nicht mehr (im unternehmen|für uns|bei uns)",
)
#: What such an answer says besides, and a person who writes hardly does: whom to ask meanwhile, what becomes of the
#: mail, when it will be read.
MEANWHILE = _any(
    r"(in )?urgent (cases|matters)|if (it|this|your \w+) is urgent|for urgent|in my absence|during (my|this) absence",
    r"(not be|won't be|not been) forwarded|after my return|(up)?on my return|will have limited access",
    r"(reply|respond|answer|get back|read)\b[^.!?]{0,60} (when|after|once|as soon as) (i |i'm |i am )?(return|back)",
    r"dringende[nrm]? (fällen|fall|angelegenheit)|nicht weitergeleitet|nach meiner rückkehr|während meiner abwesenheit",
    r"en cas d[’']urgence|pour toute urgence|(dès|à) mon retour|pendant mon absence",
    r"en caso de urgencia|(asuntos|temas|casos) urgentes|para urgencias|a mi (regreso|vuelta)|durante mi ausencia",
    r"per (urgenze|questioni urgenti)|in caso di urgenza|al mio (rientro|ritorno)|durante la mia assenza",
    r"voor dringende|in dringende gevallen|na mijn terugkeer|bij terug(komst|keer)|tijdens mijn afwezigheid",
    r"em caso de urgência|(assuntos|casos) urgentes|no meu (regresso|retorno)|após o meu (regresso|retorno)",
    r"w pilnych (sprawach|przypadkach)|po (moim )?powrocie",
    r"vid brådskande|brådskande ärenden|när jag är tillbaka",
    r"ved (akutte|hastende|presserende)|når jeg er tilba(g|k)e|hastetilfelle|hastesaker",
    r"kiireellis\w+|palattuani|kun palaan",
    r"в срочных случаях|по срочным вопросам",
    r"naléhav|sürgős|pentru urgen[tț]e|acil (durum|konu)|επείγο",
    r"お急ぎ|緊急|急ぎの|急事|紧急|급한|긴급",
)
#: How a machine says that it is one. A person who denies it, or asks, says it otherwise.
AUTOMATIC = _any(
    r"\bthis (e-?mail |message |reply )?(is|was) an? (auto-?|automatic |automated |automatically[ -])(generated )?"
    r"(e-?mail|mail|message|reply|response|answer|notice|notification)",
    r"\bdies(e nachricht|e e-?mail)? (ist|wurde) (eine )?automatisch",
    r"\bceci est une? (message|mail|courriel|réponse) automatique",
    r"\best[aeo] (mensaje |correo )?es (un |una )?(mensaje|correo|respuesta) (generad[oa] )?automátic",
    r"\bquest[oa] è una? (messaggio|risposta|e-?mail) (generat[oa] )?automatic",
    r"\besta é uma (mensagem|resposta) (gerada )?automátic",
    r"\bdit is een (automatisch|automatische) (bericht|antwoord|e-?mail|reactie)",
    r"\bto jest (automatyczna|wiadomość automatyczn|odpowiedź automatyczn)",
    r"\bdett[ea] (är|er) e[nt]t? automati",
    r"\btämä on automaatti",
    r"\bэто автоматическ",
    r"自動(返信|応答|送信)|自动(回复|答复)|自動回覆|자동 ?(응답|회신|답장)",
)
