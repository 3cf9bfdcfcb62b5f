-- +goose Up

-- Whoever is disabled keeps their name, role and ways of signing in, and does not get in.
alter table administrators add column disabled_at bigint;
