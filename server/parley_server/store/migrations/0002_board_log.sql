-- The log of every board: events in one order without text, bodies apart.
-- Locks at 10 M rows: none, it only creates tables.

-- Not one foreign key on the path of a post: the head row that each write locks proves the board, and accounts are never deleted.
create table posts (
    id          text    primary key,
    board       text    not null,
    author      text    not null,
    author_name text    not null,  -- as it was when the post was written
    state       text    not null check (state in ('published', 'held', 'refused', 'retracted', 'deleted')),
    rev         integer not null check (rev >= 1),
    seq         bigint,
    at_us       bigint  not null,
    reply_to    text,
    ruleset     integer not null,
    uninspected boolean not null,
    takedown    text,
    -- The kind of record that this state needs; 0004 makes it a foreign key.
    restricted  text generated always as (
        case state when 'held' then 'withhold' when 'refused' then 'refuse' when 'retracted' then 'retract' end
    ) stored,
    constraint restricted_has_takedown check ((state in ('held', 'refused', 'retracted')) = (takedown is not null)),
    constraint published_has_seq check (state <> 'published' or seq is not null)
);
create index posts_uninspected on posts (at_us) where uninspected;

-- Which author and nonce were seen. Apart from posts, so that one statement can first find out which drafts are new, then number them.
-- The digest is keyed (store/seal.py): a plain hash of a short text could be guessed.
create table nonces (
    author text  not null,
    nonce  text  not null,
    post   text  not null,
    digest bytea not null,
    primary key (author, nonce)
);

-- ``actor`` is who did it where that is not the post's author. The key holds ``at_us`` because a partitioned table asks for it; that
-- (board, seq) is unique follows from the head row. Rows beyond the months that exist go to the default partition: nothing fails.
create table events (
    board    text     not null,
    seq      bigint   not null,
    at_us    bigint   not null,
    kind     text     not null check (kind in ('posted', 'edited', 'deleted', 'reacted', 'unreacted', 'retracted', 'restored')),
    rev      integer  not null,
    post     text     not null,
    actor    text,
    emoji    text,
    takedown text,
    primary key (board, seq, at_us),
    check ((kind = 'retracted') = (takedown is not null)),
    check ((kind in ('reacted', 'unreacted')) = (emoji is not null and actor is not null))
) partition by range (at_us);
create table events_default partition of events default;

-- The only home of readable text. ``words`` is set on the latest revision alone, so that search finds no text that an edit replaced.
create table bodies (
    post  text     not null,
    rev   integer  not null,
    body  text     not null,
    words tsvector,
    primary key (post, rev)
);
-- New rows wait in a list that upkeep.py works into the index every second. Full at 64 MB: then the post that finds it so does the
-- work, 70 ms at PostgreSQL's default of 4 MB under load.
create index bodies_words on bodies using gin (words) with (gin_pending_list_limit = 65536);

create table reactions (
    post    text   not null,
    account text   not null,
    emoji   text   not null,
    at_us   bigint not null,
    primary key (post, emoji, account)
);
