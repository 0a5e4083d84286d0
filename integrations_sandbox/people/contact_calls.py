"""The methods on contacts: reading, making, changing and deleting them, one or many at a time.

Belongs here: what each method does. Does not belong here: lists (`listing`), groups (`group_calls`).

Assumed: a batch is applied as a whole or not at all. The answers to a batch are in the order of the request.
"""

from integrations_sandbox.people import errors, fields
from integrations_sandbox.people.calls import Call, many
from integrations_sandbox.people.model import Fields, Person
from integrations_sandbox.wire import JsonObject, Reply

MOST_CREATED, MOST_UPDATED, MOST_DELETED, MOST_READ = 200, 200, 500, 200


def get_person(call: Call, key: str) -> Reply:
    if key == "me":
        mask = call.person_mask()
        email = {"value": call.book.account, "metadata": {"primary": True, "sourcePrimary": True}}
        me: JsonObject = {"resourceName": "people/me", "etag": "%me"}
        return Reply(body=me | ({"emailAddresses": [email]} if "emailAddresses" in mask else {}))
    return Reply(body=fields.shown(call.person(f"people/{key}"), call.person_mask()))


def batch_get(call: Call) -> Reply:
    mask, names = call.person_mask(), call.request.values("resourceNames")
    if not 1 <= len(names) <= MOST_READ:
        raise errors.invalid(f"Request must have between 1 and {MOST_READ} resource names.")
    return Reply(body={"responses": [_got(call, name, mask) for name in names]})


def _got(call: Call, name: str, mask: tuple[str, ...]) -> JsonObject:
    found = call.book.find(name)
    if found is None:
        # Seen: a contact that is gone is told with a status, not by its absence.
        status = {"code": 5, "message": "Requested entity was not found."}
        return {"requestedResourceName": name, "httpStatusCode": 404, "status": status}
    return {
        "requestedResourceName": name,
        "httpStatusCode": 200,
        "status": {},
        "person": fields.shown(found, mask),
    }


def create(call: Call) -> Reply:
    made = _created(call, [call.body])
    mask = call.request.values("personFields")
    return Reply(body=fields.shown(made[0], call.person_mask() if mask else fields.READABLE))


def batch_create(call: Call) -> Reply:
    told, mask = many(call.body, "contacts", MOST_CREATED, list), call.read_mask()
    made = _created(call, [each.get("contactPerson") if isinstance(each, dict) else None for each in told])
    return Reply(body={"createdPeople": [_answer(person, mask) for person in made]} if mask else {})


def _created(call: Call, documents: list[JsonObject | None]) -> list[Person]:
    if len(call.book.people) + call.book.trash_count + len(documents) > call.options.most_contacts:
        raise errors.is_full()
    read: list[tuple[Fields, list[str] | None]] = []
    for document in documents:
        values = fields.read_fields(document, fields.WRITABLE)
        has_groups = bool(document and document.get("memberships"))
        read.append((values, call.groups_of(document, None) if document and has_groups else None))
    return [call.book.make(values, groups, call.now) for values, groups in read]


def update(call: Call, key: str) -> Reply:
    told = ",".join(call.request.values("updatePersonFields"))
    names = fields.read_mask(told, fields.WRITABLE, "updatePersonFields")
    person = call.person(f"people/{key}")
    _apply(call, [_checked(call, person, call.body, names)])
    mask = call.request.values("personFields")
    return Reply(body=fields.shown(person, call.person_mask() if mask else fields.READABLE))


def batch_update(call: Call) -> Reply:
    told = many(call.body, "contacts", MOST_UPDATED, dict)
    names = fields.read_mask(call.body.get("updateMask"), fields.WRITABLE, "updateMask")
    mask = call.read_mask()
    checked = {key: _checked(call, call.person(key), document, names) for key, document in told.items()}
    _apply(call, list(checked.values()))
    answers = {key: {"requestedResourceName": key, **_answer(each[0], mask)} for key, each in checked.items()}
    return Reply(body={"updateResult": answers} if mask else {})


_Checked = tuple[Person, Fields, list[str] | None]


def _checked(call: Call, person: Person, document: JsonObject, names: tuple[str, ...]) -> _Checked:
    """The contact with what is to be put on it; raises WireError if it must not be."""
    if not isinstance(document, dict):
        raise errors.invalid("Request person is required.")
    sources = (document.get("metadata") or {}).get("sources") or []
    etags = {str(source.get("etag", "")).lstrip("#") for source in sources if source.get("type") == "CONTACT"}
    etags |= {str(document["etag"])} if document.get("etag") else set()
    if not sources or not etags:
        raise errors.invalid("Request must set person.etag or person.metadata.sources.etag of the contact source.")
    if etags != {person.etag}:
        raise errors.stale_etag()
    values = fields.read_fields(document, names)
    return person, values, call.groups_of(document, person) if "memberships" in names else None


def _apply(call: Call, checked: list[_Checked]) -> None:
    for person, values, groups in checked:
        call.book.change(person, values, groups, call.now)


def delete(call: Call, key: str) -> Reply:
    call.book.delete(call.person(f"people/{key}"), call.now)
    return Reply(body={})


def batch_delete(call: Call) -> Reply:
    """Assumed: one that is not there fails the request."""
    names = many(call.body, "resourceNames", MOST_DELETED, list)
    for person in [call.person(str(name)) for name in dict.fromkeys(names)]:
        call.book.delete(person, call.now)
    return Reply(body={})


def _answer(person: Person, mask: tuple[str, ...]) -> JsonObject:
    return {"httpStatusCode": 200, "status": {}, "person": fields.shown(person, mask)}
