-- What a process needs that stays: whom to wake, how often to run, what was asked of a running cycle.

-- +goose Up

-- Copies of the configuration, so that one statement finds whom a change concerns and one query who is
-- due. They are written with it; null only until the program has filled them in, see fillSchedule.
alter table applications add column status          text;   -- on, off
alter table applications add column run_every       bigint; -- milliseconds between cycles
alter table applications add column reconcile_every bigint; -- milliseconds between reconciles
-- A pause is state, not configuration.
alter table applications add column paused_at    bigint;
alter table applications add column paused_until bigint;    -- null beside paused_at: until somebody resumes
-- Why Muster itself could not run the application, and when it tries again: {"since","reason","next","attempts","retry_at"}
alter table applications add column trouble text;

-- When the last pass that went through began to look. What was due before that and is still there
-- waits for the next cycle: it must not wake the application again and again.
alter table applications add column looked_at bigint;

-- Applications that have a job coming. A row is taken, and made anew, only under the lock on the row
-- of feed: a change either finds it taken and wakes, or is seen by the cycle that took it.
create table wakes (
  app_id   text   primary key,
  at       bigint not null,
  taken_at bigint            -- a node looks what there is to do
);

-- Changes of imports that are not over. They come into the feed together when the import ends, or
-- when it has lasted long enough (see Import): nobody is provisioned by half of a file.
create table imports (
  id       text   primary key,
  began_at bigint not null
);
create table arriving (
  import_id text   not null,
  type      text   not null,
  object_id text   not null,
  member_id text   not null default '',
  at        bigint not null,
  primary key (import_id, type, object_id, member_id)
);

-- Objects that somebody wants provisioned at once while a cycle of the application runs.
create table requests (
  id           text   primary key,
  app_id       text   not null,
  type         text   not null,
  object_id    text   not null,
  state        text   not null, -- waiting, taken, done
  cycle_id     text   not null default '',
  error        text,
  initiated_by text   not null,
  created_at   bigint not null,
  finished_at  bigint
);
create index requests_waiting on requests (app_id) where state <> 'done';

create index cycles_running on cycles (app_id) where state = 'running';
