-- By which share the distances of a key are longer than documented, since the provider refused for their sake: on a busy
-- machine or a shaky line requests arrive closer together than they were sent, and each refusal costs half a minute.
alter table provider_rate_limits add column slack float8 not null default 0;
