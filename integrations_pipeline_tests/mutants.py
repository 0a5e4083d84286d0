"""The ways in which `mutations` breaks the product. Each undoes one promise of docs/guarantees.md."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """`old`, which stands exactly once in `file` of the product, becomes `new`; then `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        name="merge: an unchanged side counts as the changed one",
        file="engine/merge.py",
        old="    if is_same(remote, base, rule.kind):\n",
        new="    if is_same(local, base, rule.kind):\n",
        tests=("engine/test_merge.py::test_the_field_table",),
    ),
    Mutation(
        name="merge: a removed tag comes back",
        file="engine/merge.py",
        old="join_set(member for key, member in spelled.items() if key not in removed)",
        new="join_set(member for key, member in spelled.items() if key in spelled)",
        tests=("engine/test_merge.py::test_tags_merge_as_sets",),
    ),
    Mutation(
        name="merge: the wrong side wins a conflict",
        file="engine/merge.py",
        old="    if policy is ConflictPolicy.REMOTE_WINS:\n",
        new="    if policy is ConflictPolicy.LOCAL_WINS:\n",
        tests=("engine/test_merge.py::test_who_wins_a_conflict",),
    ),
    Mutation(
        name="plan: a delete beats an edit",
        file="engine/pairs.py",
        old="    if is_edited(rules, pair.base, seen, gone):\n",
        new="    if False:\n",
        tests=("engine/test_plan.py::test_an_edit_that_beats_a_delete_is_recorded_and_written_whole",),
    ),
    Mutation(
        name="diff: absence from an incremental read is a delete",
        file="engine/diff.py",
        old="    if snapshot.is_complete:\n        return at < 0\n",
        new="    if True:\n        return at < 0\n",
        tests=("engine/test_diff.py::test_only_a_complete_read_or_a_tombstone_tells_that_a_record_is_gone",),
    ),
    Mutation(
        name="diff: tombstones are ignored",
        file="engine/diff.py",
        old="    if not snapshot.tombstones:\n",
        new="    if True:\n",
        tests=("engine/test_diff.py::test_only_a_complete_read_or_a_tombstone_tells_that_a_record_is_gone",),
    ),
    Mutation(
        name="match: of several with one e-mail any one is taken",
        file="engine/match.py",
        old="    counts = Counter(key for key in keys.values() if key)\n",
        new="    counts = Counter({key for key in keys.values() if key})\n",
        tests=("engine/test_match.py::test_a_shared_identity_key_pairs_only_where_it_is_unique",),
    ),
    Mutation(
        name="guards: no number of deletes is too many",
        file="engine/guards.py",
        old="    if total > allowed:\n",
        new="    if total > allowed + 1_000_000:\n",
        tests=("engine/test_guards.py::test_a_guard_lets_all_deletes_of_a_side_pass_or_none",),
    ),
    Mutation(
        name="guards: an emptied side is believed",
        file="engine/guards.py",
        old="    if policy.linked_count and (",
        new="    if False and (",
        tests=("engine/test_guards.py::test_a_delete_of_every_linked_contact_is_not_believed",),
    ),
    Mutation(
        name="store: an update overwrites an edit made meanwhile",
        file="store/contact_statements.py",
        old="        and (p.version is null or c.version = p.version)\n"
        '    returning c.id::text, c.version, c.email_opt_out\n    """  # noqa',
        new='    returning c.id::text, c.version, c.email_opt_out\n    """  # noqa',
        tests=("sync/test_races.py::test_a_local_edit_just_before_a_local_write_is_not_overwritten",),
    ),
    Mutation(
        name="store: a delete ignores an edit made meanwhile",
        file="store/contact_statements.py",
        old="        and (p.version is null or c.version = p.version)\n"
        '    returning c.id::text, c.version, c.email_opt_out\n    """\n)\nREVIVE',
        new='    returning c.id::text, c.version, c.email_opt_out\n    """\n)\nREVIVE',
        tests=("sync/test_races.py::test_a_local_edit_just_before_a_local_delete_saves_the_contact",),
    ),
    Mutation(
        name="store: a pause of another process is forgotten",
        file="store/pace.py",
        old="        next_free_at = greatest({_MOMENT}, clock_timestamp()) + make",
        new="        next_free_at = clock_timestamp() + make",
        tests=("sync/test_tenancy.py::test_a_pause_of_one_process_holds_back_the_others_and_ends_without_a_burst",),
    ),
    Mutation(
        name="acknowledge: the base advances before the provider has answered",
        file="sync/acknowledge.py",
        old="        journal.record_states(connection, rows)\n\n    def note_version",
        new="        journal.record_states(connection, rows)\n"
        "        early = [change for change in changes if change.kind is ChangeKind.UPDATE]\n"
        "        done = ChangeState.APPLIED\n"
        "        self._advance(connection, [Outcome(change=change, state=done) for change in early])\n\n"
        "    def note_version",
        tests=("sync/test_mutants.py::test_an_update_that_was_never_sent_is_not_agreed",),
    ),
    Mutation(
        name="acknowledge: requests leave without an intent",
        file="sync/acknowledge.py",
        old="        journal.record_states(connection, rows)\n\n    def note_version",
        new="        rows.clear()\n\n    def note_version",
        tests=("sync/test_mutants.py::test_every_change_is_intended_before_its_request_leaves",),
    ),
    Mutation(
        name="acknowledge: a contact counts as settled though a change of it failed",
        file="sync/acknowledge.py",
        old="        if outcome.state is not ChangeState.APPLIED or outcome.lost:\n            self._blocked",
        new="        if outcome.state is ChangeState.HELD:\n            self._blocked",
        tests=("sync/test_mutants.py::test_a_contact_with_a_failed_change_counts_as_changed_though_another_was_made",),
    ),
    Mutation(
        name="extract: an incremental read passes for a complete one",
        file="sync/extract.py",
        old="is_complete=remote.is_complete, tombstones=frozenset(remote.tombstones)",
        new="is_complete=True, tombstones=frozenset(remote.tombstones)",
        tests=("sync/test_reading.py::test_our_own_writes_cost_the_next_run_nothing",),
    ),
    Mutation(
        name="extract: what a complete read lacks is not asked for again",
        file="sync/reading.py",
        old="        read_again(run, remote, missing)\n",
        new="        missing.clear()\n",
        tests=("sync/test_deletes.py::test_a_page_cut_short_is_found_out_and_deletes_nothing",),
    ),
    Mutation(
        name="extract: held deletes are believed without asking again",
        file="sync/reading.py",
        old="    read_again(run, remote, [*unknown, *sorted(held - remote.records.keys())])\n",
        new="    remote.tombstones |= held - remote.records.keys()\n    read_again(run, remote, unknown)\n",
        tests=("sync/test_deletes.py::test_a_hold_clears_itself_by_incremental_runs_too",),
    ),
    Mutation(
        name="extract: reads older than our own writes are believed",
        file="sync/extract.py",
        old="    return journal.recent_remote_writes(connection, run.connection.id, seconds, concerned)\n",
        new="    return journal.recent_remote_writes(connection, run.connection.id, 0 * seconds, concerned)\n",
        tests=(
            "sync/test_stale_reads.py::test_a_value_just_written_is_not_undone",
            "sync/test_stale_reads.py::test_a_record_just_made_is_neither_made_again_nor_believed_deleted",
            "sync/test_stale_reads.py::test_a_record_just_deleted_does_not_come_back",
        ),
    ),
    Mutation(
        name="stale: records that looked stale are not read again",
        file="sync/stale.py",
        old="        suspects |= {external_id} if is_stale else set()\n",
        new="        suspects -= {external_id} if is_stale else set()\n",
        tests=("sync/test_stale_reads.py::test_a_person_who_undid_our_write_is_believed_once_the_window_is_over",),
    ),
    Mutation(
        name="deliver: nothing is read again before it is written",
        file="sync/deliver.py",
        old="{id(change) for change in known} - {id(c) for c in _still_true(run, known, ledger)}",
        new="set()",
        tests=("sync/test_races.py::test_a_remote_edit_of_the_same_field_is_never_lost_in_silence",),
    ),
    Mutation(
        name="run: the cursor is saved although the run fails later",
        file="sync/run.py",
        old="    book.note_read(",
        new="    with run.session.begin() as connection:\n"
        "        connections.save_cursor(connection, run.connection.id, extracted.cursor)\n"
        "    book.note_read(",
        tests=("sync/test_mutants.py::test_what_a_failed_run_read_is_read_again_by_the_next",),
    ),
    Mutation(
        name="checkpoint: the list of records to read again is dropped",
        file="sync/checkpoint.py",
        old='"retry": sorted(retry)}',
        new='"retry": []}',
        tests=("sync/test_races.py::test_a_remote_edit_of_the_same_field_is_never_lost_in_silence",),
    ),
    Mutation(
        name="extract: a full read trusts a listing that was cut short",
        file="sync/reading.py",
        old="    read_again(run, remote, sorted(told.records.keys() - remote.records.keys()))\n",
        new="",
        tests=("simulation/test_found.py::test_a_record_that_a_cut_listing_hid_is_found_in_the_feed_that_told_it",),
    ),
    Mutation(
        name="journal: where a contact was moved from is forgotten",
        file="store/changes.py",
        old="    if row.moved_from:\n",
        new="    if False:\n",
        tests=(
            "sync/mailchimp/test_stale_reads.py::"
            "test_an_email_changed_right_after_the_member_was_made_makes_nobody_twice",
        ),
    ),
    Mutation(
        name="merge: an older opt-in raises consent",
        file="engine/merge.py",
        old="opted_in and is_agreed_out and times.opted_out_at and opted_in > times.opted_out_at",
        new="opted_in and is_agreed_out and times.opted_out_at",
        tests=("engine/test_merge.py",),
    ),
    Mutation(
        name="pitches: a lost answer counts as not sent",
        file="sync/pitches.py",
        old="        found = self._found(pitch)\n"
        "        if found is not None:\n            self.outcomes.record_sent(row, found)\n        elif row.state",
        new="        found = None\n"
        "        if found is not None:\n            self.outcomes.record_sent(row, found)\n        elif row.state",
        tests=("sync/gmail/test_doubts.py",),
    ),
    Mutation(
        name="pitches: who took a pitch meanwhile is not asked before the send",
        file="sync/pitches.py",
        old="        if off is not None:\n            self._called_off(row, pitch, off)\n            return\n",
        new="",
        tests=("sync/gmail/test_refusals.py", "sync/gmail/test_sending.py"),
    ),
    Mutation(
        name="http: a request that must not be repeated is sent again",
        file="providers/http.py",
        old="isinstance(error, RetryableError) and not isinstance(error, InDoubtError)",
        new="isinstance(error, RetryableError)",
        tests=(
            "sync/test_lost_answers.py::test_a_nameless_create_whose_answer_is_lost_makes_no_duplicate_without_key",
        ),
    ),
    Mutation(
        name="airtable: one bad record takes its whole batch with it",
        file="providers/airtable/writer.py",
        old="        if len(batch) == 1:\n            return [refused(batch[0], error)]\n",
        new="        if batch:\n            return [refused(change, error) for change in batch]\n",
        tests=("sync/test_failures.py::test_one_poison_record_of_25_fails_alone",),
    ),
    Mutation(
        name="airtable: creates are not keyed, so a second one makes a second record",
        file="providers/airtable/writer.py",
        old="        return self.key is not None and not comes_back and not change.is_key_taken\n",
        new="        return False\n",
        tests=("providers/airtable/test_conformance.py",),
    ),
    Mutation(
        name="columns: a column is followed by its name alone",
        file="providers/columns.py",
        old="by_id.get(key) or by_name.get(part) or by_id.get(part)",
        new="by_name.get(part) or by_id.get(part)",
        tests=("sync/test_schema_changes.py::test_two_columns_that_swap_their_names_do_not_swap_their_values",),
    ),
    Mutation(
        name="columns: another kind of value is the same column",
        file="providers/columns.py",
        old="        if rules.family(before) != rules.family(column.type):\n",
        new="        if False:\n",
        tests=("providers/test_columns.py",),
    ),
    Mutation(
        name="frames: a field that is not told counts as changed",
        file="engine/frames.py",
        old="        differs |= pc.fill_null(unequal, False)",
        new="        differs |= pc.fill_null(unequal, True)",
        tests=("engine/test_frames.py::test_which_rows_differ_from_the_base",),
    ),
    Mutation(
        name="run: the columns are not looked at before writing",
        file="sync/run.py",
        old="    if run.provider.looked is None and is_something and",
        new="    if False and",
        tests=(
            "sync/test_schema_changes.py::test_a_column_that_no_longer_holds_its_field_moves_no_value_and_is_told_once",
        ),
    ),
    Mutation(
        name="answers: a value that was cut was taken",
        file="providers/answers.py",
        old="    return Taken.NORMALISED if told_text and (told_text == held_text or is_kept) else Taken.LOST\n",
        new="    return Taken.NORMALISED if told_text else Taken.LOST\n",
        tests=("providers/test_answers.py::test_one_text",),
    ),
    Mutation(
        name="airtable: a delete counts as done whatever was answered",
        file="providers/airtable/writer.py",
        old="            if change.external_id in gone\n",
        new="            if True\n",
        tests=("sync/test_answers_to_writes.py::test_a_delete_counts_as_done_only_if_the_answer_says_so",),
    ),
    Mutation(
        name="belief: records without values are taken at their word",
        file="sync/belief.py",
        old="    if len(emptied) > 1 and len(emptied) == told:\n",
        new="    if False:\n",
        tests=("sync/test_schema_changes.py::test_records_without_values_are_a_fault_of_the_read",),
    ),
    Mutation(
        name="plan: whoever is being edited is written",
        file="engine/plan.py",
        old="        if self.waits(world, pair.contact_id, pair.external_id):\n            return\n",
        new="",
        tests=("engine/test_absent.py::test_whoever_is_being_edited_is_matched_and_left_alone",),
    ),
)
