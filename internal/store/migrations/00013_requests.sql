-- What somebody wants provisioned at once while a cycle of the application runs. The table was made
-- before anything wrote to it.

-- +goose Up

drop table requests;
create table requests (
  id           text    primary key,
  app_id       text    not null,
  type         text    not null,
  object_id    text    not null,
  initiated_by text    not null,
  created_at   bigint  not null,
  cycle_id     text    not null default '', -- which has taken it
  taken_at     bigint,                      -- by the clock of the node that runs the cycle
  decided      boolean not null default false -- its operations, if any are needed, are planned
);
create index requests_waiting on requests (app_id) where cycle_id = '';
