-- Finds what is open for a few objects. PostgreSQL reads operations_open from an application's first row to its last for that:
-- it drops the state from what it looks for, because the index holds no other, and the object stands behind it.
-- +goose Up
create index operations_about on operations (object_id, app_id) where state in ('planned','applying','held','approved','unknown');
