-- Accounts, sessions, boards and roles.
-- Locks at 10 M rows: none, it only creates tables.

create table accounts (
    id            text   primary key,
    handle        text   not null,
    handle_key    text   not null unique,  -- the handle as it is compared: NFKC, casefolded
    name          text   not null,
    password_hash text,
    role          text   not null check (role in ('guest', 'member', 'bot', 'administrator')),
    state         text   not null check (state in ('active', 'suspended', 'closed')),
    level         text   not null check (level in ('unverified', 'verified')),
    created_at_us bigint not null
);

create table sessions (
    id            text    primary key,
    token_hash    bytea   not null unique,
    account       text    not null references accounts,
    label         text    not null,
    created_at_us bigint  not null,
    expires_at_us bigint,
    revoked       boolean not null default false
);
create index sessions_account on sessions (account);

-- A board's row is the lock that orders every write to its log, on all nodes. Its head changes with every event, so the page keeps
-- room for new versions beside the old one.
create table boards (
    id            text   primary key,
    name          text   not null,
    summary       text   not null,
    epoch         text   not null,
    head          bigint not null default 0 check (head >= 0),
    state         text   not null check (state in ('open', 'read_only', 'closed')),
    visibility    text   not null check (visibility in ('public', 'private')),
    created_at_us bigint not null
) with (fillfactor = 50);

-- An account without a row is a plain member.
create table board_roles (
    board   text not null references boards,
    account text not null references accounts,
    role    text not null check (role in ('founder', 'manager', 'moderator', 'muted', 'banned')),
    primary key (account, board)
);
create index board_roles_board on board_roles (board);

create table role_changes (
    n       bigint generated always as identity primary key,
    board   text   not null references boards,
    account text   not null references accounts,
    role    text   not null check (role in ('founder', 'manager', 'moderator', 'member', 'muted', 'banned')),
    by      text   not null references accounts,
    at_us   bigint not null
);
create index role_changes_board on role_changes (board, n);
