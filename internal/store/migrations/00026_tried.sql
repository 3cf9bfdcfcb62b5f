-- Finds what was done, or was to be, without reading what needed nothing: of a busy application that is most of the log.
-- +goose Up
create index operations_tried on operations (finished_at, id) where status in ('success','failure','warning') and finished_at is not null;
