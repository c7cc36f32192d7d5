-- Policies, rules and rule sets.
-- Locks at 10 M rows: none, it only creates tables and a handful of rows.

create table policies (
    id          text    not null,
    version     integer not null check (version >= 1),
    title       text    not null check (title ~ '\S'),
    ground      text    not null check (ground in ('law', 'terms')),
    reference   text    not null check (reference ~ '\S'),
    explanation text    not null check (explanation ~ '\S'),
    by          text    references accounts,
    at_us       bigint  not null,
    primary key (id, version)
);

create table rules (
    id       text    not null,
    version  integer not null check (version >= 1),
    mode     text    not null check (mode in ('draft', 'live', 'retired')),
    document jsonb   not null,
    by       text    references accounts,
    at_us    bigint  not null,
    primary key (id, version)
);
create unique index rules_live on rules (id) where mode = 'live';

-- Each row is one change of the rule set; replayed in order they tell which rules any version held.
create table rule_sets (
    version      integer primary key check (version >= 1),
    act          text    not null check (act in ('activate', 'retire')),
    rule         text    not null,
    rule_version integer not null,
    by           text    references accounts,
    at_us        bigint  not null,
    foreign key (rule, rule_version) references rules (id, version)
);

-- A neutral catalogue to start from. It names no terms; the operator puts the own grounds and references in its place.
insert into policies (id, version, title, ground, reference, explanation, at_us) values
    ('spam', 1, 'Spam', 'terms', 'the operator''s terms',
     'Repeated, unsolicited or automated messages that advertise or that crowd out the conversation.', 0),
    ('fraud', 1, 'Fraud', 'terms', 'the operator''s terms',
     'Messages that deceive people in order to gain money, goods, access or credentials.', 0),
    ('harassment', 1, 'Harassment', 'terms', 'the operator''s terms',
     'Threats, insults or persistent unwanted contact aimed at a person.', 0),
    ('personal-data', 1, 'Personal data', 'terms', 'the operator''s terms',
     'Publication of somebody''s private data without their consent.', 0),
    ('dangerous-goods', 1, 'Dangerous goods', 'terms', 'the operator''s terms',
     'Offers of goods whose trade is forbidden or restricted because they endanger people.', 0);
