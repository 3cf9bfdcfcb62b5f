-- What the guard weighs before anything is sent: removals and updates, which a first load of a hundred thousand has none of.
-- +goose Up
create index operations_weighed on operations (app_id, action, cycle_id) where state in ('planned','applying','held','approved','unknown') and action in ('disable','delete','update');
