-- Finds the few records of the log that are no success without reading all the others.
-- +goose Up
create index operations_failure on operations (finished_at, id) where status = 'failure' and finished_at is not null;
create index operations_warning on operations (finished_at, id) where status = 'warning' and finished_at is not null;
