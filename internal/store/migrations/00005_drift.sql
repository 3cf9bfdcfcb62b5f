-- +goose Up

-- What the last complete reconcile of an application found at the target that Muster did not make. Bounded
-- by kind; how many there are stands in applications.drift.
create table drift (
  app_id       text   not null,
  kind         text   not null, -- stranger, vanished, deactivated, reactivated, changed, extra_member, missing_member
  type         text   not null, -- of the account: user, group
  account_id   text   not null,
  member_id    text   not null default '', -- of a member: the account
  account_name text   not null,
  member_name  text   not null default '',
  object_id    text   not null default '', -- whom the account is linked to; '' for a stranger
  object_name  text   not null default '',
  attributes   text   not null, -- that were changed: paths
  active       boolean not null,
  protected    text   not null, -- why the target lets nobody change a stranger, '' for most
  operation_id text   not null default '', -- the repair, '' where it is only reported
  cycle_id     text   not null,
  since        bigint not null, -- first seen like this
  primary key (app_id, kind, type, account_id, member_id)
);
alter table applications add column drift text; -- {"at","totals"}

-- What a person turned down, by rejecting a held operation or by undoing one that was done: it is not
-- proposed again until what speaks for it changes.
create table rejections (
  app_id      text   not null,
  type        text   not null,
  object_id   text   not null,
  action      text   not null, -- disable, delete, enable, create; '' when only attributes were turned down
  wanted      text   not null, -- attributes: the values that are not to be sent
  undid       text   not null default '', -- the cycle that was undone, '' for a rejection
  rejected_by text   not null,
  rejected_at bigint not null,
  primary key (app_id, type, object_id)
);
insert into rejections (app_id, type, object_id, action, wanted, rejected_by, rejected_at)
  select app_id, type, object_id, rejected, '{}', '', modified_at from links where rejected is not null;
alter table links drop column rejected;

-- link_members.origin is one of
--   added  Muster put the member there
--   found  was there before Muster came
--   extra  somebody else put it into a group that Muster created: it is to go
--   out    a person undid the addition: it is not added again until the user has left and come back
alter table link_members add column name text not null default ''; -- of an extra member without a link

alter table cycles add column undoes text not null default '';        -- of an undo: the cycle
alter table cycles add column undoes_object text not null default ''; -- and the one object, '' for all
