-- +goose Up

-- What lets a program in. The token itself is shown once and kept nowhere.
create table tokens (
  id         text   primary key,
  name       text   not null,
  name_key   text   not null unique,
  role       text   not null,
  hash       text   not null unique, -- SHA-256 of the token
  created_by text   not null,
  created_at bigint not null,
  expires_at bigint,                 -- null is never
  used_at    bigint
);

-- Answers to requests that came with an Idempotency-Key, so that a repeated request is answered
-- again and not done again. They are kept for a day.
create table answers (
  owner      text   not null, -- who asked: two who choose the same key do not meet
  key        text   not null,
  request    text   not null, -- SHA-256 of method, path and body
  answer     text,            -- null while the request is being done
  created_at bigint not null,
  primary key (owner, key)
);
create index answers_created on answers (created_at);
