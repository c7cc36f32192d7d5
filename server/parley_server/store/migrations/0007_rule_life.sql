-- The life of a rule: lists of terms apart from it, a second person's approval, and judging in the shadow.
-- Locks at 10 M rows: none of them is on a table that grows with posts.

alter table rules drop constraint rules_mode_check;
alter table rules add constraint rules_mode_check check (mode in ('draft', 'shadow', 'live', 'retired'));
create unique index rules_shadow on rules (id) where mode = 'shadow';

alter table rule_sets drop constraint rule_sets_act_check;
alter table rule_sets add constraint rule_sets_act_check check (act in ('activate', 'shadow', 'retire'));

create table rule_approvals (
    rule    text    not null,
    version integer not null,
    by      text    not null references accounts,
    at_us   bigint  not null,
    primary key (rule, version, by),
    foreign key (rule, version) references rules (id, version)
);

create view stored_rules as
    select rules.*,
           coalesce((select array_agg(a.by) from rule_approvals a where (a.rule, a.version) = (rules.id, rules.version)), '{}') as approved_by
    from rules;

-- A version never changes: a rule names the one that it was made with.
create table term_lists (
    name    text    not null,
    version integer not null check (version >= 1),
    terms   text[]  not null check (cardinality(terms) >= 1),
    by      text    references accounts,
    at_us   bigint  not null,
    primary key (name, version)
);

-- What rules in the shadow would have done. Counts, and a few masked excerpts; no author.
create table shadow_counts (
    rule      text    not null,
    version   integer not null,
    board     text    not null,
    inspected bigint  not null,  -- texts that the rule looked at
    would     bigint  not null,  -- of these, those that it met
    also      bigint  not null,  -- of these, those that live rules found as well
    primary key (rule, version, board),
    foreign key (rule, version) references rules (id, version)
);
create table shadow_samples (
    rule    text    not null,
    version integer not null,
    board   text    not null,
    place   integer not null check (place between 0 and 19),
    excerpt text    not null,
    met     bigint  not null,  -- its number among all that were met
    primary key (rule, version, board, place)
);
