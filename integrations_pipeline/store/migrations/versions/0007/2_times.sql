-- Times that no calendar of a program holds ("-infinity", the year 10000) stopped whoever read them. Rows that have
-- one are mended, and not sent on the strength of a time that somebody must have meant otherwise.
alter table pitches disable trigger zz_integrations_touch;
update pitches set
    status = case when status = 'queued' then 'failed' else status end,
    error_message = case when status = 'queued'
        then 'it had a time outside of the calendar, which was taken away: set scheduled_at if it has one, then '
            '`integrations pitches retry`'
        else error_message end,
    created_at = case when created_at >= '0002-01-01Z' and created_at < '9999-01-01Z' then created_at else now() end,
    updated_at = case when updated_at >= '0002-01-01Z' and updated_at < '9999-01-01Z' then updated_at else now() end,
    scheduled_at = case when scheduled_at >= '0002-01-01Z' and scheduled_at < '9999-01-01Z' then scheduled_at end,
    sent_at = case when sent_at >= '0002-01-01Z' and sent_at < '9999-01-01Z' then sent_at
        when sent_at is not null then now() end,
    replied_at = case when replied_at >= '0002-01-01Z' and replied_at < '9999-01-01Z' then replied_at
        when replied_at is not null then now() end
where not (
    created_at >= '0002-01-01Z' and created_at < '9999-01-01Z'
    and updated_at >= '0002-01-01Z' and updated_at < '9999-01-01Z'
    and coalesce(scheduled_at, now()) >= '0002-01-01Z' and coalesce(scheduled_at, now()) < '9999-01-01Z'
    and coalesce(sent_at, now()) >= '0002-01-01Z' and coalesce(sent_at, now()) < '9999-01-01Z'
    and coalesce(replied_at, now()) >= '0002-01-01Z' and coalesce(replied_at, now()) < '9999-01-01Z');
alter table pitches enable trigger zz_integrations_touch;
alter table pitches
    add constraint pitches_created_at check (created_at >= '0002-01-01Z' and created_at < '9999-01-01Z'),
    add constraint pitches_updated_at check (updated_at >= '0002-01-01Z' and updated_at < '9999-01-01Z'),
    add constraint pitches_scheduled_at check (scheduled_at >= '0002-01-01Z' and scheduled_at < '9999-01-01Z'),
    add constraint pitches_sent_at check (sent_at >= '0002-01-01Z' and sent_at < '9999-01-01Z'),
    add constraint pitches_replied_at check (replied_at >= '0002-01-01Z' and replied_at < '9999-01-01Z');
