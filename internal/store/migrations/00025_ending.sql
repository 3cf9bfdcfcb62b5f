-- Whoever stops or pauses an application means the cycle that runs just now, also one that was begun by hand.

-- +goose Up
alter table leases add column ends boolean not null default false;
