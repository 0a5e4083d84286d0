"""The methods on contact groups, which the app calls labels.

Belongs here: what each method does. Does not belong here: memberships as fields of contacts (`contact_calls`).
"""

from integrations_sandbox.people import errors
from integrations_sandbox.people.calls import Call, is_system_name, read_token, write_token
from integrations_sandbox.people.model import OPEN_GROUPS, Group
from integrations_sandbox.stage import iso
from integrations_sandbox.wire import JsonObject, Reply

MOST_MODIFIED = 1000


def list_groups(call: Call) -> Reply:
    size, page_token = call.size(30, 1000), call.request.value("pageToken")
    done = int(read_token(page_token)["done"]) if page_token else 0
    groups = list(call.book.groups.values())
    body: JsonObject = {"contactGroups": [_shown(call, each) for each in groups[done : done + size]]}
    body["totalItems"] = len(groups)
    if done + size < len(groups):
        body["nextPageToken"] = write_token(done=done + size)
    else:
        body["nextSyncToken"] = write_token(groups=len(groups))
    return Reply(body=body)


def create_group(call: Call) -> Reply:
    name = str((call.body.get("contactGroup") or {}).get("name") or "").strip()
    if not name:
        raise errors.invalid("Contact group name is required.")
    # Assumed: a name of the system's counts as taken.
    if is_system_name(name):
        raise errors.group_exists()
    return Reply(body=_shown(call, call.book.make_group(name, call.now)))


def get_group(call: Call, key: str) -> Reply:
    group = _group(call, key)
    most = int(call.request.value("maxMembers") or 0)
    members = [each.resource for each in call.book.people.values() if group.resource in each.groups][:most]
    return Reply(body=_shown(call, group) | ({"memberResourceNames": members} if members else {}))


def update_group(call: Call, key: str) -> Reply:
    group = _own(call, key)
    name = str((call.body.get("contactGroup") or {}).get("name") or "").strip()
    if not name:
        raise errors.invalid("Contact group name is required.")
    call.book.rename_group(group, name, call.now)
    return Reply(body=_shown(call, group))


def delete_group(call: Call, key: str) -> Reply:
    call.book.delete_group(_own(call, key), call.now)
    return Reply(body={})


def modify_members(call: Call, key: str) -> Reply:
    group = _group(call, key)
    added, removed = (list(call.body.get(f"resourceNamesTo{way}") or []) for way in ("Add", "Remove"))
    if not 1 <= len(added) + len(removed) <= MOST_MODIFIED:
        raise errors.invalid(f"Request must have between 1 and {MOST_MODIFIED} resource names.")
    if added and group.is_system and group.resource not in OPEN_GROUPS:
        raise errors.invalid("Contacts cannot be added to this system group.")
    missing, last = [], []
    for name in [*added, *removed]:
        person = call.book.find(name)
        if person is None:
            missing.append(name)
        elif name in added and group.resource not in person.groups:
            call.book.change(person, {}, [*person.groups, group.resource], call.now)
        elif name in removed and person.groups == [group.resource]:
            last.append(name)
        elif name in removed and group.resource in person.groups:
            call.book.change(person, {}, [each for each in person.groups if each != group.resource], call.now)
    told = {"notFoundResourceNames": missing, "canNotRemoveLastContactGroupResourceNames": last}
    return Reply(body={key: names for key, names in told.items() if names})


def _group(call: Call, key: str) -> Group:
    found = call.book.groups.get(f"contactGroups/{key}")
    if found is None:
        raise errors.not_found()
    return found


def _own(call: Call, key: str) -> Group:
    found = _group(call, key)
    if found.is_system:
        raise errors.invalid("System contact groups cannot be changed.")
    return found


def _shown(call: Call, group: Group) -> JsonObject:
    count = sum(group.resource in person.groups for person in call.book.people.values())
    document: JsonObject = {
        "resourceName": group.resource,
        "etag": group.etag,
        "groupType": "SYSTEM_CONTACT_GROUP" if group.is_system else "USER_CONTACT_GROUP",
        "name": group.name,
        "formattedName": group.name,
    }
    if not group.is_system:
        document["metadata"] = {"updateTime": iso(group.updated_at)}
    return document | ({"memberCount": count} if count else {})
