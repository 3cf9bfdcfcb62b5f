// A SCIM 2.0 service provider in memory, on SCIMMY: its schemas, filters, PATCH and messages judge what Muster's client sends.
//
// Only storage is ours: unique userNames, members that exist, and a user's groups read from the groups.
import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";
import { serve, token } from "./serve.mjs";

const users = new Map();
const groups = new Map();

SCIMMY.Config.set({ patch: true, filter: { supported: true, maxResults: 1000 }, sort: true, bulk: true });

/** What every write does: a new id for a new resource, and the two times. */
function store(map, id, data) {
  const now = new Date().toISOString();
  const known = map.get(id);
  const saved = { ...data, id: id ?? randomUUID(), meta: { created: known?.meta.created ?? now, lastModified: now } };
  map.set(saved.id, saved);
  return saved;
}

/** What every read does: one by id, or those that the filter admits. */
function read(map, resource, shape = (stored) => stored) {
  if (resource.id) {
    const found = map.get(resource.id);
    if (!found) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
    return shape(found);
  }
  const all = [...map.values()].map(shape);
  return resource.filter ? resource.filter.match(all) : all;
}

function remove(map, id) {
  if (!map.delete(id)) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
}

/** RFC 7643 section 4.1.2: groups is read-only and follows from the groups' members. */
function withGroups(user) {
  const of = [...groups.values()].filter((group) => group.members?.some((member) => member.value === user.id));
  return { ...user, groups: of.map((group) => ({ value: group.id, display: group.displayName, type: "direct" })) };
}

SCIMMY.Resources.declare(SCIMMY.Resources.User, {
  extensions: [{ schema: SCIMMY.Schemas.EnterpriseUser, required: false }],
  ingress(resource, { groups: readOnly, ...data }) {
    const name = data.userName.toLowerCase(); // RFC 7643 section 4.1.1: unique, and blind to case
    for (const other of users.values()) {
      if (other.id !== resource.id && other.userName.toLowerCase() === name) {
        throw new SCIMMY.Types.Error(409, "uniqueness", `userName ${data.userName} is taken`);
      }
    }
    return withGroups(store(users, resource.id, { active: true, ...data }));
  },
  egress: (resource) => read(users, resource, withGroups),
  degress(resource) {
    remove(users, resource.id);
    for (const group of groups.values()) {
      group.members = group.members?.filter((member) => member.value !== resource.id);
    }
  },
});

SCIMMY.Resources.declare(SCIMMY.Resources.Group, {
  ingress(resource, data) {
    for (const { value } of data.members ?? []) {
      if (!users.has(value) && !groups.has(value)) {
        throw new SCIMMY.Types.Error(400, "invalidValue", `Member ${value} does not exist`);
      }
    }
    return store(groups, resource.id, data);
  },
  egress: (resource) => read(groups, resource),
  degress: (resource) => remove(groups, resource.id),
});

const app = express();
app.use("/scim", new SCIMMYRouters({
  type: "bearer",
  handler(request) {
    if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("The bearer token is missing or wrong");
    return "muster";
  },
}));
serve("/scim", () => app);
