-- What ended in each hour that is over, so that a chart of a month does not read a month's log.

-- +goose Up
create table tallies (
  hour     bigint not null, -- when it began
  app_id   text   not null,
  status   text   not null,
  n        bigint not null,
  followed bigint not null, -- how many followed a change of the directory,
  lag      bigint not null, -- how long all of them took from its commit, in milliseconds,
  worst    bigint not null, -- and how long the slowest did
  primary key (hour, app_id, status)
);
