"""The documents that the API answers with.

Belongs here: the JSON of members, audiences, fields, tags and the account. Does not belong here: which of them an
answer is about, what of them is asked for (`query.shape`).
"""

from collections import Counter
from collections.abc import Iterable

from integrations_sandbox.mailchimp.model import Account, Audience, Member, MergeField, stamp
from integrations_sandbox.wire import JsonObject

#: From the specification: how many tags a member shows; `tags_count` counts all.
MOST_TAGS = 50
_NOT_IN_BULK = frozenset(["full_name", "web_id", "consents_to_one_to_one_messaging", "source"])


class Documents:
    """`origin` is what stands for https://<dc>.api.mailchimp.com/3.0 in links."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def links(self, path: str, parent: str) -> list[JsonObject]:
        """Two of the links that Mailchimp sends: to the resource itself and to what it is part of."""
        return [
            {"rel": "self", "href": f"{self._origin}{path}", "method": "GET"},
            {"rel": "parent", "href": f"{self._origin}{parent}", "method": "GET"},
        ]

    def member(self, audience: Audience, member: Member) -> JsonObject:
        path = f"/lists/{audience.id}/members"
        tags = list(member.tags)
        reason = {"unsubscribe_reason": member.unsubscribe_reason} if member.status == "unsubscribed" else {}
        return {
            "id": member.hash,
            "email_address": member.email_address,
            "unique_email_id": member.unique_email_id,
            "contact_id": member.contact_id,
            "full_name": f"{member.values.get('FNAME', '')} {member.values.get('LNAME', '')}".strip(),
            "web_id": member.web_id,
            "email_type": member.email_type,
            "status": member.status,
            **reason,
            "consents_to_one_to_one_messaging": True,
            # Every tag of the audience, "" where the member has nothing.
            "merge_fields": {each.tag: member.values.get(each.tag, "") for each in audience.merge_fields},
            "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
            "ip_signup": member.ip_signup,
            "timestamp_signup": stamp(member.timestamp_signup),
            "ip_opt": member.ip_opt,
            "timestamp_opt": stamp(member.timestamp_opt),
            "member_rating": 2,
            "last_changed": stamp(member.last_changed),
            "language": member.language,
            "vip": member.vip,
            "email_client": "",
            "location": _location(member),
            "source": member.source,
            "tags_count": len(tags),
            "tags": [{"id": each, "name": audience.tags[each]} for each in tags[:MOST_TAGS]],
            "list_id": audience.id,
            "_links": self.links(f"{path}/{member.hash}", path),
        }

    def bulk_member(self, audience: Audience, member: Member, *, tells_contact_id: bool) -> JsonObject:
        """A member in the answer of the batch endpoint, which the specification gives fewer properties."""
        hidden = _NOT_IN_BULK if tells_contact_id else _NOT_IN_BULK | {"contact_id"}
        document = self.member(audience, member)
        document["location"].pop("region")
        return {key: value for key, value in document.items() if key not in hidden}

    def member_tags(self, audience: Audience, member: Member) -> list[JsonObject]:
        return [{"id": each, "name": audience.tags[each], "date_added": stamp(at)} for each, at in member.tags.items()]

    def merge_field(self, audience: Audience, field: MergeField) -> JsonObject:
        path = f"/lists/{audience.id}/merge-fields"
        return {
            "merge_id": field.merge_id,
            "tag": field.tag,
            "name": field.name,
            "type": field.type,
            "required": field.is_required,
            "default_value": field.default_value,
            "public": field.is_public,
            "display_order": field.display_order,
            "options": field.options,
            "help_text": field.help_text,
            "list_id": audience.id,
            "_links": self.links(f"{path}/{field.merge_id}", path),
        }

    def audience(self, audience: Audience, account: Account, *, counts_all: bool = False) -> JsonObject:
        return {
            "id": audience.id,
            "web_id": audience.web_id,
            "name": audience.name,
            "contact": _CONTACT,
            "permission_reminder": "You are invented data in a sandbox.",
            "use_archive_bar": False,
            "campaign_defaults": {"from_name": "Sandbox", "from_email": account.name, "subject": "", "language": "en"},
            "notify_on_subscribe": "",
            "notify_on_unsubscribe": "",
            "date_created": stamp(audience.created_at),
            "list_rating": 0,
            "email_type_option": False,
            "subscribe_url_short": "",
            "subscribe_url_long": "",
            "beamer_address": "",
            "visibility": "prv",
            "double_optin": False,
            "has_welcome": False,
            "marketing_permissions": False,
            "modules": [],
            "stats": _statistics(audience, counts_all),
            "_links": self.links(f"/lists/{audience.id}", "/lists"),
        }

    def account(self, account: Account, audiences: Iterable[Audience]) -> JsonObject:
        subscribers = sum(each.status == "subscribed" for audience in audiences for each in audience.members.values())
        return {
            "account_id": account.id,
            "login_id": account.id[:8],
            "account_name": account.name,
            "email": account.name,
            "first_name": "Sandbox",
            "last_name": "User",
            "username": account.name,
            "avatar_url": "",
            "role": "owner",
            "pricing_plan_type": account.plan,
            "account_timezone": "UTC",
            "account_industry": "",
            "contact": _ACCOUNT_CONTACT,
            "pro_enabled": False,
            "total_subscribers": subscribers,
            "industry_stats": {"open_rate": 0, "bounce_rate": 0, "click_rate": 0},
            "_links": self.links("/", "/")[:1],
        }


_ACCOUNT_CONTACT: JsonObject = {
    "company": "Sandbox",
    "addr1": "1 Sand Street",
    "addr2": "",
    "city": "Atlanta",
    "state": "GA",
    "zip": "30308",
    "country": "US",
}
_CONTACT: JsonObject = {
    "company": "Sandbox",
    "address1": "1 Sand Street",
    "address2": "",
    "city": "Atlanta",
    "state": "GA",
    "zip": "30308",
    "country": "US",
    "phone": "",
}


def _location(member: Member) -> JsonObject:
    return {
        "latitude": member.latitude,
        "longitude": member.longitude,
        "gmtoff": 0,
        "dstoff": 0,
        "country_code": "",
        "timezone": "",
        "region": "",
    }


def _statistics(audience: Audience, counts_all: bool) -> JsonObject:
    counts = Counter(each.status for each in audience.members.values())
    document: JsonObject = {
        "member_count": counts["subscribed"],
        "unsubscribe_count": counts["unsubscribed"],
        "cleaned_count": counts["cleaned"],
        "member_count_since_send": counts["subscribed"],
        "unsubscribe_count_since_send": counts["unsubscribed"],
        "cleaned_count_since_send": counts["cleaned"],
        "campaign_count": 0,
        "campaign_last_sent": "",
        "merge_field_count": len(audience.merge_fields),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": stamp(audience.last_subscribed_at),
        "last_unsub_date": stamp(audience.last_unsubscribed_at),
    }
    return document | {"total_contacts": len(audience.members)} if counts_all else document
