-- Restrictions: record, sealed evidence, case and alert refer to one another and cannot exist apart.
-- Locks at 10 M rows: posts for one scan of the new foreign key, about 10 s; nothing else has rows yet.

-- Next numbers of alerts and of records. The row is locked until the transaction ends, so both follow the order of commit.
create table alert_head (
    one     boolean primary key default true check (one),
    n       bigint  not null,
    records bigint  not null
);
insert into alert_head (n, records) values (0, 0);

create table cases (
    id              text    primary key,
    rev             integer not null check (rev >= 1),
    state           text    not null check (state in ('new', 'claimed', 'decided')),
    board           text    not null references boards,
    post            text    not null references posts,
    policy          text    not null,
    severity        text    not null check (severity in ('low', 'medium', 'high', 'critical')),
    opened_at_us    bigint  not null,
    first_alert     bigint  not null,
    claimed_by      text,
    claimed_at_us   bigint,
    decided_by      text,
    decided_action  text    check (decided_action in ('release', 'refuse', 'retract', 'restore', 'dismiss')),
    decided_policy  text,
    decided_reason  text,
    decided_at_us   bigint,
    check ((state = 'decided') = (decided_action is not null and decided_at_us is not null)),
    check (state <> 'claimed' or claimed_by is not null)
);
create unique index cases_open on cases (post) where state <> 'decided';
create index cases_post on cases (post);
create index cases_board on cases (board, id);

create table alerts (
    n        bigint  primary key,
    case_id  text    not null references cases deferrable initially deferred,
    severity text    not null check (severity in ('low', 'medium', 'high', 'critical')),
    board    text    not null,
    policy   text    not null,
    rule     text,
    stage    text    not null,
    excerpt  text    not null,
    count    integer not null check (count >= 1),  -- alerts of the case up to this one
    post     text    not null,
    at_us    bigint  not null,
    acknowledged_by    text,
    acknowledged_at_us bigint
);
create index alerts_waiting on alerts (n) where acknowledged_by is null;
create index alerts_case on alerts (case_id);
alter table cases add foreign key (first_alert) references alerts deferrable initially deferred;

-- A text that was stopped, sealed (store/seal.py): nobody reads it without the key, and the key is not in this database.
create table evidence (
    takedown     text    not null,
    rev          integer not null check (rev >= 1),
    post         text    not null references posts,
    sealed       bytea   not null,
    wrapped_key  bytea   not null,
    commitment   bytea   not null check (octet_length(commitment) = 32),
    sealed_at_us bigint  not null,
    primary key (takedown, rev)
);
create index evidence_post on evidence (post);

-- The record of a restriction. No column can be empty that the author's rights rest on (P7), no row can exist without its evidence,
-- its case and through the case an alert (P6), and no row ever changes.
create table takedowns (
    id                text    primary key,
    n                 bigint  not null unique,
    kind              text    not null check (kind in ('withhold', 'refuse', 'retract')),
    post              text    not null references posts,
    subject           text    not null check (subject in ('post', 'edit')),
    rev               integer not null check (rev >= 1),
    board             text    not null references boards,
    author            text    not null,
    actor_type        text    not null check (actor_type in ('system', 'rule', 'moderator', 'administrator', 'author', 'reporter')),
    actor_account     text,
    policy            text    not null,
    policy_version    integer not null,
    reason            text    not null constraint reason_says_something check (reason ~ '\S'),
    facts             text    not null constraint facts_say_something check (facts ~ '\S'),
    severity          text    not null,
    stage             text    not null,
    detection         jsonb   not null,
    detected_at_us    bigint  not null,
    stopped_at_us     bigint  not null,
    recorded_at_us    bigint  not null,
    appeal_until_us   bigint  not null,
    evidence_takedown text    not null,
    evidence_rev      integer not null,
    evidence_hash     bytea   not null check (octet_length(evidence_hash) = 32),
    case_id           text    not null references cases deferrable initially deferred,
    constraint appeal_is_possible check (appeal_until_us > stopped_at_us and appeal_until_us > detected_at_us),
    unique (id, post, kind),
    foreign key (policy, policy_version) references policies (id, version),
    foreign key (evidence_takedown, evidence_rev) references evidence (takedown, rev) deferrable initially deferred
);
create index takedowns_post on takedowns (post, n);
create index takedowns_author on takedowns (author, n);
alter table evidence add foreign key (takedown) references takedowns deferrable initially deferred;

-- A restricted post names a takedown of its own and of the kind that its state stands for; checked at commit.
alter table posts add constraint restriction_has_its_record
    foreign key (takedown, id, restricted) references takedowns (id, post, kind) deferrable initially deferred;

-- What waits for a person: a new post (rev 1) or an edit. The text is in the evidence of its takedown, nowhere else.
create table held (
    post        text    primary key references posts,
    rev         integer not null check (rev >= 1),
    takedown    text    not null,
    kind        text    not null default 'withhold' check (kind = 'withhold'),
    ruleset     integer not null,
    uninspected boolean not null,
    at_us       bigint  not null,
    foreign key (takedown, post, kind) references takedowns (id, post, kind) deferrable initially deferred
);

-- A release or a restoration: one for a takedown, at most.
create table reversals (
    id             text   primary key,
    n              bigint not null unique,
    kind           text   not null check (kind in ('release', 'restore')),
    reverses       text   not null unique references takedowns,
    actor_type     text   not null,
    actor_account  text,
    reason         text   not null check (reason ~ '\S'),
    at_us          bigint not null,
    recorded_at_us bigint not null,
    case_id        text   not null references cases
);

create table evidence_reads (
    n       bigint generated always as identity primary key,
    post    text    not null,
    by      text    not null,
    purpose text    not null check (purpose ~ '\S'),
    texts   integer not null,
    at_us   bigint  not null
);

create table case_drafts (
    n       bigint generated always as identity primary key,
    case_id text   not null references cases,
    by      text   not null,
    action  text   not null,
    policy  text,
    reason  text,
    at_us   bigint not null
);
create index case_drafts_case on case_drafts (case_id, n);

create table appeals (
    takedown text   primary key references takedowns,
    by       text   not null,
    body     text   not null,
    alert    bigint not null references alerts,
    at_us    bigint not null
);

create table reports (
    n     bigint generated always as identity primary key,
    post  text   not null references posts,
    by    text,
    body  text   not null,
    alert bigint not null references alerts,
    at_us bigint not null
);
create index reports_post on reports (post);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete on takedowns for each row execute function refuse_change();
create trigger append_only_whole before truncate on takedowns execute function refuse_change();
create trigger append_only before update or delete on reversals for each row execute function refuse_change();
create trigger append_only_whole before truncate on reversals execute function refuse_change();
create trigger append_only before update or delete on evidence_reads for each row execute function refuse_change();
create trigger append_only_whole before truncate on evidence_reads execute function refuse_change();
