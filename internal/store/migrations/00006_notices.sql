-- +goose Up

-- What people are told of: something that is so from one moment on, for one cause, until it is over.
create table notices (
  id          text   primary key,
  kind        text   not null,            -- quarantine, held, failing, failures, expiry
  app_id      text   not null default '',
  subject     text   not null default '', -- what of the application: an object, a secret; '' is all of it
  name        text   not null default '', -- the subject's, for people
  cause       text   not null,            -- machine word; another cause is told of anew
  reason      text   not null,
  next        text   not null,
  size        bigint not null default 0,  -- how many things it is about, where that is counted
  told_size   bigint not null default 0,  -- the same when it was last told of
  pending     text   not null,            -- what nobody has been told yet: began, changed, again, over; '' is nothing
  opened_at   bigint not null,
  told_at     bigint,
  resolved_at bigint                      -- null while it is so
);
-- One for each thing: whoever finds it again finds this row.
create unique index notices_open on notices (app_id, kind, subject) where resolved_at is null;
create index notices_pending on notices (id) where pending <> '';
create index notices_over    on notices (resolved_at) where resolved_at is not null;

-- What goes to one recipient: begun with the first event, it gathers further ones until it is due.
--
--   gathering -> sending -> sent
--                  |`-> waiting -> sending …   (it failed, and is tried again)
--                  `-> failed
create table messages (
  id         text   primary key,
  channel    text   not null, -- mail, webhook
  recipient  text   not null, -- address, id of a webhook
  kind       text   not null, -- of its notices
  state      text   not null,
  events     text   not null,
  more       bigint not null default 0, -- events that are only counted
  attempts   bigint not null default 0,
  claim      text   not null default '', -- which process sends it
  error      text   not null default '',
  created_at bigint not null,
  due_at     bigint not null,
  next_at    bigint not null, -- of the next attempt; while it is sent, when the claim ends
  ended_at   bigint
);
create unique index messages_gathering on messages (channel, recipient, kind) where state = 'gathering';
create index messages_next  on messages (next_at) where state in ('gathering','waiting','sending');
create index messages_last  on messages (channel, recipient, kind, due_at);
create index messages_ended on messages (ended_at) where ended_at is not null;

create table webhooks (
  id               text    primary key,
  name             text    not null,
  name_key         text    not null unique,
  url              text    not null, -- scheme and host: the whole is sealed
  allow_http       boolean not null,
  allow_link_local boolean not null,
  created_at       bigint  not null
);

alter table secrets add column expires_at bigint; -- where the secret itself tells
alter table operations add column changed_at bigint; -- when the directory's change was committed that it follows
