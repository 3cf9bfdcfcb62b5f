-- An urgency was put between those of requests on demand and of all other creates and updates.

-- +goose Up
update operations set urgency = urgency + 1 where urgency >= 2;
