-- +goose Up

-- Who may use the console. What is kept of a password is its argon2id hash; the secret of an
-- authenticator app is sealed, among the secrets.
create table administrators (
  id           text   primary key,
  name         text   not null,
  name_key     text   not null unique,
  role         text   not null,        -- owner, admin, operator, reader
  password     text,                   -- null: none yet, or reset
  totp_step    bigint,                 -- of the last code of the authenticator app that was used; null: no app
  issuer       text,                   -- of the identity provider that this administrator is linked to
  subject      text,
  created_at   bigint not null,
  signed_in_at bigint
);
create unique index administrators_subject on administrators (issuer, subject);

create table passkeys (
  id         text   primary key, -- of the credential, base64url
  admin_id   text   not null,
  name       text   not null,
  credential text   not null,    -- public key, counter and flags, JSON
  created_at bigint not null,
  used_at    bigint
);
create index passkeys_admin on passkeys (admin_id);

-- For whoever lost the authenticator app. A code that was used is gone.
create table recovery_codes (
  hash     text primary key, -- SHA-256 of administrator and code
  admin_id text not null
);
create index recovery_codes_admin on recovery_codes (admin_id);

-- Everything below concerns what is under way, and is in no backup. What the browser holds stands
-- here as its SHA-256 alone.
create table one_time_links (
  hash       text   primary key,
  kind       text   not null, -- set-up, invitation, reset
  admin_id   text,            -- null: set-up
  expires_at bigint not null
);

create table sessions (
  id               text   primary key,
  hash             text   not null unique,
  admin_id         text   not null,
  method           text   not null, -- password, passkey, single sign-on, link
  address          text   not null,
  agent            text   not null,
  created_at       bigint not null,
  seen_at          bigint not null,
  authenticated_at bigint not null, -- when the administrator last proved who they are
  expires_at       bigint not null
);
create index sessions_admin on sessions (admin_id);

-- A step of signing in that waits for the next one: the second factor, a passkey's signature, the
-- identity provider's answer. Taken once.
create table challenges (
  hash       text   primary key,
  kind       text   not null,
  data       text   not null, -- JSON, sealed
  expires_at bigint not null
);

create table sign_in_failures (
  subject       text   primary key, -- SHA-256 of an account's name, or of an address
  failures      bigint not null,
  last_at       bigint not null,
  blocked_until bigint not null
);
create index sign_in_failures_last on sign_in_failures (last_at);
