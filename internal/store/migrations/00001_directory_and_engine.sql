-- One text for SQLite and PostgreSQL: times are Unix milliseconds, JSON is text, ids are UUIDv7 text.

-- +goose Up

-- The feed's counter. Whoever changes the directory takes numbers from this one row inside the
-- transaction: its lock makes the order of numbers the order of commits, on both databases, so a
-- reader that has seen number n has seen everything up to n.
create table feed (
  id  bigint primary key,
  seq bigint not null
);
insert into feed (id, seq) values (1, 0);

create table changes (
  seq       bigint primary key,
  type      text   not null,           -- user, group, members
  object_id text   not null,
  member_id text   not null default '', -- of members: the user who came or went, '' for "look at all"
  at        bigint not null
);

create table users (
  id            text    primary key,
  source        text    not null,
  user_name     text    not null,
  user_name_key text    not null,
  external_id   text,
  email_key     text,
  active        boolean not null,
  manager_id    text,
  manager_key   text,    -- a manager who is not in the directory yet, by folded userName
  attributes    text    not null,
  search        text    not null, -- folded names and e-mail addresses, for finding people
  absent        boolean not null default false, -- deactivated only because a full import lacked the person
  created_at    bigint  not null,
  modified_at   bigint  not null,
  deleted_at    bigint
);
create unique index users_name     on users (user_name_key)       where deleted_at is null;
create unique index users_external on users (external_id, source) where external_id is not null and deleted_at is null;
create index users_email   on users (email_key);
create index users_manager on users (manager_id);
create index users_waiting on users (manager_key) where manager_key is not null;
create index users_name_deleted     on users (user_name_key)       where deleted_at is not null;
create index users_external_deleted on users (external_id, source) where external_id is not null and deleted_at is not null;

create table groups (
  id           text   primary key,
  source       text   not null,
  display_name text   not null,
  display_key  text   not null,
  external_id  text,
  attributes   text   not null,
  created_at   bigint not null,
  modified_at  bigint not null,
  deleted_at   bigint,
  parted       text             -- of a deleted group: the rows of members that it took along, for restoring
);
create index groups_name on groups (display_key);
create unique index groups_external on groups (external_id, source) where external_id is not null and deleted_at is null;

-- Only groups that are there stand here, as either end; people who are deleted keep their rows.
create table members (
  group_id    text   not null,
  member_id   text   not null,
  member_type text   not null, -- user, group
  added_at    bigint not null,
  primary key (group_id, member_id)
);
create index members_member on members (member_id);

create table applications (
  id           text   primary key,
  name         text   not null,
  name_key     text   not null unique,
  template     text   not null,
  config       text   not null,  -- the declarative form without names, assignments and secrets
  watermark    bigint not null default 0,
  completed_at bigint,           -- end of the first complete cycle since the watermark was last at 0
  reconciled_at bigint,
  restored     boolean not null default false, -- from a backup: the next cycle is a reconcile whose enables and removals are held
  pause_until  bigint,           -- Retry-After that outlives the process
  quarantine   text,             -- {"since","reason","code","attempts","next_probe","exchange"}
  created_at   bigint not null,
  modified_at  bigint not null
);

create table secrets (
  app_id text not null,
  name   text not null,
  origin text not null, -- scheme, host and port that the secret may be sent to
  sealed text not null,
  primary key (app_id, name)
);

create table assignments (
  app_id       text not null,
  subject_type text not null, -- user, group
  subject_id   text not null,
  role         text not null,
  created_at   bigint not null,
  primary key (app_id, subject_type, subject_id)
);
create index assignments_subject on assignments (subject_id);

-- The durable pair of a directory object and an account, with what was wanted, sent and answered.
create table links (
  app_id       text    not null,
  type         text    not null,
  object_id    text    not null,
  object_name  text    not null,
  account_id   text    not null,
  account_name text    not null,
  origin       text    not null, -- created, adopted
  enabled      boolean not null, -- whether the account was active when last known
  wanted       text    not null,
  sent         text    not null,
  answered     text    not null,
  rejected     text,             -- the removal that a person rejected, until the verdict changes
  leaving_at   bigint,           -- when the object left the scope, for grace
  rematch      boolean not null default false, -- to be matched again
  created_at   bigint  not null,
  modified_at  bigint  not null,
  primary key (app_id, type, object_id)
);
create unique index links_account on links (app_id, type, account_id);
create index links_object on links (object_id);
create index links_enabled on links (app_id, type) where enabled;

-- The members that Muster put into a target's group.
create table link_members (
  app_id     text not null,
  group_id   text not null, -- directory id
  user_id    text not null, -- directory id
  account_id text not null,
  origin     text not null,                  -- added by Muster, or found there already
  stale      boolean not null default false, -- the account was switched off since: the target may have dropped it
  rejected   boolean not null default false, -- a person wants the member kept
  primary key (app_id, group_id, user_id)
);
create index link_members_user on link_members (app_id, user_id);

-- Objects that wait for another to be linked: a report for the manager, a group for a member.
create table waiting (
  app_id     text not null,
  missing_id text not null,
  type       text not null,
  object_id  text not null,
  primary key (app_id, missing_id, type, object_id)
);
create index waiting_object on waiting (app_id, type, object_id);

-- Objects to look at again although the directory has not changed.
create table due (
  app_id    text   not null,
  type      text   not null,
  object_id text   not null,
  member_id text   not null default '',
  due_at    bigint not null,
  reason    text   not null,
  primary key (app_id, type, object_id, member_id)
);
create index due_at on due (app_id, due_at);

create table escrow (
  app_id       text    not null,
  type         text    not null,
  object_id    text    not null,
  object_name  text    not null,
  parked       boolean not null,
  attempts     bigint  not null,
  operation_id text    not null,
  error        text    not null,
  first_at     bigint  not null,
  last_at      bigint  not null,
  next_at      bigint,            -- null when parked
  primary key (app_id, type, object_id)
);
create index escrow_next on escrow (app_id, next_at);

create table cycles (
  id           text   primary key,
  app_id       text   not null,
  type         text   not null, -- initial, incremental, reconcile, on-demand
  state        text   not null, -- planned, running, done, stopped, failed
  watermark    bigint not null, -- how far the plan has read the feed
  basis        text   not null, -- fingerprint of the configuration that was planned with
  summary      text   not null,
  failed       bigint not null default 0,
  requests     bigint not null default 0,
  error        text,
  initiated_by text   not null,
  created_at   bigint not null,
  started_at   bigint,
  finished_at  bigint
);
create index cycles_app on cycles (app_id, created_at);

-- The plan, the queue, the crash record and the provisioning log in one row per object and action.
--
--   planned -> applying -> applied | failed | skipped
--      |          `-> unknown (the process died between sending and recording: looked up, never repeated blindly)
--      |-> held -> approved | rejected
--      `-> dropped (the cycle ended, or the decision was made anew)
create table operations (
  id           text    primary key,
  app_id       text    not null,
  cycle_id     text    not null,
  type         text    not null,
  action       text    not null,
  state        text    not null,
  urgency      bigint  not null,
  rank         bigint  not null,  -- managers before their reports
  object_id    text    not null,
  object_name  text    not null,
  account_id   text    not null default '',
  account_name text    not null default '',
  cause        text    not null,  -- machine word for why
  reason       text    not null,  -- the same for people
  want         text    not null,  -- mapped attributes; references by directory id
  detail       text    not null,  -- {"edits","add","remove","references","hidden"}
  steps        text    not null,
  origin       text    not null default '',
  removals     bigint  not null default 0,     -- members that go, for the guard
  approved     boolean not null default false, -- a person approved it: the guard does not count it
  hold         text    not null default '',    -- why it is held
  status       text    not null default '',    -- of a finished one: success, failure, skipped, warning
  verified     boolean not null default false,
  error        text,
  exchange     text,
  initiated_by text    not null,
  created_at   bigint  not null,
  started_at   bigint,
  finished_at  bigint
);
-- Partial, so that what is over burdens neither the queue nor the look at what is open.
create index operations_queue  on operations (cycle_id, urgency, rank, id) where state = 'planned';
create index operations_open   on operations (app_id, state, object_id) where state in ('planned','applying','held','approved','unknown');
create index operations_cycle  on operations (cycle_id, id);
create index operations_object on operations (object_id, finished_at) where finished_at is not null;
create index operations_log    on operations (app_id, finished_at) where finished_at is not null;
-- What the guard counts over its window.
create index operations_gone   on operations (app_id, finished_at) where state = 'applied' and action in ('disable','delete');
create index operations_left   on operations (app_id, object_id, finished_at) where state = 'applied' and removals > 0;
create index operations_done   on operations (finished_at) where finished_at is not null;

-- Who may write to an application's target now.
create table leases (
  app_id     text   primary key,
  holder     text   not null,
  node       text   not null,
  expires_at bigint not null
);

-- What walks over a target's accounts saw, and the keys to match by. Each cycle and each plan sees its own walk.
create table accounts (
  app_id     text    not null,
  type       text    not null,
  account_id text    not null,
  walk       text    not null,
  name       text    not null,
  active     boolean not null,
  protected  text    not null,
  answered   text    not null,
  members    text,
  primary key (app_id, type, walk, account_id)
);
create table account_keys (
  app_id     text not null,
  type       text not null,
  path       text not null,
  value_key  text not null,
  account_id text not null,
  walk       text not null default '',
  primary key (app_id, type, walk, path, value_key, account_id)
);

create table audit (
  id          text   primary key,
  at          bigint not null,
  actor       text   not null,
  via         text   not null, -- cli, api, console
  action      text   not null,
  object_type text   not null,
  object_id   text   not null,
  object_name text   not null,
  before      text,
  after       text
);
create index audit_at on audit (at);

create table settings (
  name  text primary key,
  value text not null
);
