-- The record log (P9): a leaf for each takedown and each reversal, in the order of their n, without gap.
-- Locks at 10 M rows: takedowns and reversals for an instant; the new foreign keys are not checked for the records that are there,
-- which get their leaves at the next start (store/record_log.py).

create table log_leaves (
    n      bigint primary key,
    record text   not null unique,
    leaf   bytea  not null check (octet_length(leaf) = 32),
    salt   bytea  not null check (octet_length(salt) = 32)  -- of the commitment to whoever acted (domain/record_leaf.py)
);

create function refuse_gap() returns trigger language plpgsql as $$
begin
    if new.n <> (select coalesce(max(n), 0) + 1 from log_leaves) then
        raise exception 'leaf % does not follow the last one', new.n using errcode = 'restrict_violation';
    end if;
    return new;
end
$$;
create trigger without_gap before insert on log_leaves for each row execute function refuse_gap();
create trigger append_only before update or delete on log_leaves for each row execute function refuse_change();
create trigger append_only_whole before truncate on log_leaves for each statement execute function refuse_change();

-- No record commits without its leaf (P6).
alter table takedowns add constraint takedown_is_logged
    foreign key (id) references log_leaves (record) deferrable initially deferred not valid;
alter table reversals add constraint reversal_is_logged
    foreign key (id) references log_leaves (record) deferrable initially deferred not valid;
