-- What pages look for is found by an index, and not by reading the directory, the accounts or the log.

-- +goose Up

-- By what people are found: their names and addresses, and what follows each mark within these. Bytes, so that
-- both databases put them into the same order, whatever language they sort by.
create table words (
  word      bytea not null,
  object_id text  not null,
  primary key (word, object_id)
);
create index words_object on words (object_id);
create index users_inactive on users (active, user_name_key, id) where deleted_at is null and not active;

create index links_name      on links (app_id, type, object_name, object_id);
create index links_disabled  on links (app_id, type, object_name, object_id) where not enabled;
create index links_otherwise on links (app_id, type, account_name) where account_name <> object_name;

create index operations_records on operations (cycle_id, finished_at, id) where finished_at is not null;
create index operations_rare    on operations (action, finished_at, id) where finished_at is not null and action in ('create','disable','enable','delete');
create index operations_held    on operations (app_id, id) where state = 'held';
