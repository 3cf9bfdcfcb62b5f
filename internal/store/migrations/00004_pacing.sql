-- +goose Up

-- What a connection's limiter knows of its target, so that the next process or another node does not use
-- again what has been used. A connection is an endpoint with its credentials, whichever applications use it.
create table pacing (
  connection text   primary key, -- see Store.Pseudonym
  state      text   not null,    -- relative to saved_at, by the database's clock
  saved_at   bigint not null
);
-- A pause that runs just now is lost by this: the target asks for it again.
alter table applications drop column pause_until;
