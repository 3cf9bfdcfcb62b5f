-- What somebody has begun and waits for, and the files that are uploaded for an import: every node answers for them, and what a
-- node had begun that died is ended by another one.

-- +goose Up

-- One row for a kind of task about one thing; the next one takes its place.
create table tasks (
  id       text   primary key,
  kind     text   not null,
  subject  text   not null,            -- what it is about: an application, an uploaded file, the import itself
  actor    text   not null,
  via      text   not null,
  instance text   not null,            -- the opening of the store that it runs in, as in leases
  begun_at bigint not null,
  beat_at  bigint not null,            -- when it last gave a sign of life, by the database's clock
  ended_at bigint,
  progress text   not null,
  result   text   not null default '', -- id of what came of it
  problem  text,                       -- why it failed
  detail   text   not null
);
create unique index tasks_subject on tasks (kind, subject);
create index tasks_running on tasks (beat_at) where ended_at is null;

create table uploads (
  id         text    primary key,
  name       text    not null, -- of the file
  actor      text    not null, -- who sent it: nobody else sees it
  wish       text    not null, -- how it is to be imported, as it was asked for last
  state      text    not null, -- coming, here, imported
  created_at bigint  not null
);
-- Of an uploaded file and of what came of it, compressed and cut into pieces.
create table upload_parts (
  upload_id text   not null,
  part      text   not null, -- file, outcome
  n         bigint not null,
  data      bytea  not null,
  primary key (upload_id, part, n)
);
