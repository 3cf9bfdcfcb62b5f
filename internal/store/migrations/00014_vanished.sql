-- A linked account that is known to be gone from the target, and that is only reported: no other takes its
-- place before somebody asks for one.

-- +goose Up

alter table links add column vanished_at bigint;
