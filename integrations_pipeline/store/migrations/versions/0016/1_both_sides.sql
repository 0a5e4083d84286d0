-- What an undo holds for deletion concerns the side where the run made it, if a record stands beside it. What was held
-- before that was told to concern both sides, and still does.
update integration_agenda set external_id = null where kind = 'held_delete' and field = 'undo';
