"""The mapped merge fields of one audience: found by their ids, looked at once per run.

Belongs here: which merge tag holds which field now, and whether members were told with their values. Does not: values
(`fields`), members (`members`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from integrations_pipeline.errors import RetryableError
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import (
    KnownColumn,
    MappedColumns,
    PresentColumn,
    SchemaLook,
    look_at,
)
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.fields import COLUMN_RULES, FIXED, MergeField, merge_fields, tags_of
from integrations_pipeline.providers.mailchimp.members import Member


class AudienceFields(MappedColumns):
    """Merge fields are its columns; `fields`: those there are, by tag, once looked at and where they may be read.
    Mailchimp ignores merge tags that it does not know, and would never agree."""

    def __init__(
        self, client: MailchimpClient, mapping: Sequence[MappedField], known: Mapping[str, KnownColumn]
    ) -> None:
        super().__init__(mapping, known)
        self._client = client
        self.fields: Mapping[str, MergeField] = {}

    def _take_a_look(self) -> SchemaLook:
        documents = self._client.merge_fields()
        self.fields = merge_fields(documents) if documents is not None else {}
        return self._in_the_dark() if documents is None else self._look_at()

    def missing(self) -> list[str]:
        """Mapped merge tags that the audience lacks."""
        return [tag for mapped in self._mapping for tag in tags_of(mapped) if tag not in self.fields]

    def required_elsewhere(self) -> list[str]:
        """Merge tags that new members must have and no field is mapped to."""
        mapped = {tag for each in self.mapping for tag in tags_of(each)}
        return [each.tag for each in self.fields.values() if each.is_required and each.tag not in mapped]

    def require_values(self, members: Sequence[Member]) -> None:
        """Members come with every merge field of the audience, empty ones as "": an answer in which nobody has any, or
        one that the audience has just been seen to have, is no answer about their values."""
        wanted = [tag for each in self.mapping for tag in tags_of(each)]
        held = [each.get("merge_fields") or {} for each in members]
        if wanted and held and not any(held):
            raise RetryableError("Mailchimp told members without their merge fields")
        known = [tag for tag in wanted if tag in self.fields] if held else []
        for tag in known:
            if not any(tag in values for values in held):
                raise RetryableError(f"Mailchimp told members without the merge field {tag}, which the audience has")

    def _look_at(self) -> SchemaLook:
        present = [PresentColumn(id=each.id, name=each.tag, type=each.type) for each in self.fields.values()]
        columns = [mapped for mapped in self._mapping if mapped.name not in FIXED]
        found = look_at(columns, self._known, present, COLUMN_RULES)
        problems = tuple(
            f"{line} (`integrations connections add mailchimp --create-field` makes it)" for line in found.problems
        )
        by_name = {mapped.name: mapped for mapped in found.mapping}
        mapping = [mapped if mapped.name in FIXED else by_name.get(mapped.name) for mapped in self._mapping]
        return replace(found, problems=problems, mapping=tuple(mapped for mapped in mapping if mapped is not None))

    def _in_the_dark(self) -> SchemaLook:
        columns = {
            mapped.name: known if known and known.is_of(mapped) else KnownColumn(column=mapped.column)
            for mapped in self._mapping
            for known in [self._known.get(mapped.name)]
            if mapped.name not in FIXED
        }
        return SchemaLook(mapping=self._mapping, columns=columns)
