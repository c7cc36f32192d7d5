-- Several nodes (decision 0022): who serves the site, what changed that each of them keeps in memory, and what HTTP answered.
-- Locks at 10 M rows: none, it only creates tables.

-- A node lives until it leaves, or until its beat is too old by this database's clock. Logged on purpose: rows that a crash of PostgreSQL
-- took away would be nodes that nobody waits for.
create table nodes (
    node          text        primary key,
    started_at    timestamptz not null default clock_timestamp(),
    beat_at       timestamptz not null,
    heard         bigint      not null,  -- number of the last change that it acted on
    ruleset       integer     not null,  -- version that it judges by, and since when
    ruleset_at_us bigint      not null
) with (fillfactor = 50);

-- The row is locked until the transaction ends, so changes follow the order of commit.
create table change_head (
    one boolean primary key default true check (one),
    n   bigint  not null
);
insert into change_head (n) values (0);

create table changes (
    n       bigint      primary key,
    kind    text        not null check (kind in ('person', 'session', 'board', 'rules', 'policies', 'retracted', 'deleted')),
    subject text        not null,
    board   text,
    seq     bigint,
    at      timestamptz not null default clock_timestamp(),
    constraint stop_says_where check ((kind in ('retracted', 'deleted')) = (board is not null and seq is not null))
);
create index changes_at on changes (at);

-- Answers for requests that are made again with the same Idempotency-Key. Without ``status`` the first one is under way.
create table kept_answers (
    who          text   not null,
    key          text   not null,
    digest       bytea  not null,
    at_us        bigint not null,
    status       integer,
    data         bytea,
    content_type text,
    primary key (who, key),
    check ((status is null) = (data is null) and (status is null) = (content_type is null))
);
create index kept_answers_at on kept_answers (at_us);
