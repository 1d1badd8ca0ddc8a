// The official Pipedrive client against pdbak's sandbox.
//
// The sandbox is written from the published descriptions and so is this client, by other people. What it cannot send or read here,
// it could not at the service either, or the sandbox is wrong. It knows nothing of pdbak: only the address differs (`basePath`).

import assert from "node:assert/strict";
import { Blob } from "node:buffer";
import { randomBytes } from "node:crypto";
import test, { describe } from "node:test";
import * as v1 from "pipedrive/v1";
import * as v2 from "pipedrive/v2";

const url = process.env.SANDBOX_URL;
const token = process.env.SANDBOX_TOKEN;
assert.ok(url && token, "SANDBOX_URL and SANDBOX_TOKEN say where the sandbox is");

const first = new v1.Configuration({ apiKey: token, basePath: `${url}/v1` });
const second = new v2.Configuration({ apiKey: token, basePath: `${url}/api/v2` });

/** Every row of a cursor list, and how many pages it took. */
async function pages(page, limit = 7) {
  const rows = [];
  let cursor;
  let count = 0;
  do {
    const answer = await page({ limit, cursor });
    assert.equal(answer.success, true);
    assert.ok(answer.data.length <= limit, `asked for ${limit} rows, got ${answer.data.length}`);
    rows.push(...answer.data);
    cursor = answer.additional_data?.next_cursor ?? undefined;
    count += 1;
  } while (cursor);
  return { rows, count };
}

/** Every row of an offset list. */
async function offsets(page, limit = 9) {
  const rows = [];
  let start = 0;
  for (;;) {
    const answer = await page({ start, limit });
    assert.equal(answer.success, true);
    // An empty v1 list has data null.
    rows.push(...(answer.data ?? []));
    const { more_items_in_collection: more, next_start: next } = answer.additional_data.pagination;
    if (!more || !(next > start)) return rows;
    start = next;
  }
}

/** Waits for a refusal and returns the service's answer to it. */
async function refused(call) {
  let answer;
  await assert.rejects(call, (error) => {
    answer = error;
    return true;
  });
  assert.equal(answer.success, false, `not an answer of the service: ${answer?.message ?? answer}`);
  return answer;
}

function distinct(rows) {
  assert.equal(new Set(rows.map((row) => row.id)).size, rows.length, "a row came twice");
}

/** One record through its life in v2: listed by pages, created, read, changed, deleted. */
function life({ name, api, list, get, add, update, remove, bodies, created, changed }) {
  test(`${name}: listed by cursor, created, changed, deleted`, async () => {
    const { rows, count } = await pages((asked) => api[list](asked));
    assert.ok(rows.length > 0 && count >= rows.length / 7);
    distinct(rows);
    const made = await api[add]({ [bodies[0]]: await created() });
    assert.equal(made.success, true);
    const { id } = made.data;
    const change = await changed(made.data);
    const after = await api[update]({ id, [bodies[1]]: change });
    const read = await api[get]({ id });
    for (const [member, value] of Object.entries(change)) {
      assert.deepEqual(after.data[member], value, `${member} in the answer`);
      assert.deepEqual(read.data[member], value, `${member} read back`);
    }
    assert.ok(read.data.update_time >= read.data.add_time);
    const { rows: more } = await pages((asked) => api[list](asked), 100);
    assert.equal(more.filter((row) => row.id === id).length, 1);
    const gone = await api[remove]({ id });
    assert.equal(gone.data.id, id);
    const { rows: fewer } = await pages((asked) => api[list](asked), 100);
    assert.ok(!fewer.some((row) => row.id === id), "a deleted record is not listed");
  });
}

describe("who am I", () => {
  test("users/me is one of the users", async () => {
    const users = new v1.UsersApi(first);
    const me = await users.getCurrentUser();
    const all = await users.getUsers();
    assert.ok(all.data.some((user) => user.id === me.data.id));
    assert.ok(me.data.company_id > 0);
  });

  test("a wrong token is refused", async () => {
    const stranger = new v1.UsersApi(new v1.Configuration({ apiKey: "wrong", basePath: `${url}/v1` }));
    const answer = await refused(() => stranger.getCurrentUser());
    assert.match(answer.error, /unauthorized/i);
  });
});

const deals = new v2.DealsApi(second);
const persons = new v2.PersonsApi(second);
const organizations = new v2.OrganizationsApi(second);
const products = new v2.ProductsApi(second);
const activities = new v2.ActivitiesApi(second);

const any = async (api, list) => (await api[list]({ limit: 1 })).data[0];

/** Adds a deal with a contact, for the tests that need a parent. */
async function deal(title) {
  const person = await any(persons, "getPersons");
  return (await deals.addDeal({ AddDealRequest: { title, person_id: person.id } })).data;
}

describe("records in v2", () => {
  life({
    name: "organizations", api: organizations, list: "getOrganizations", get: "getOrganization", add: "addOrganization",
    update: "updateOrganization", remove: "deleteOrganization", bodies: ["AddOrganizationRequest", "UpdateOrganizationRequest"],
    created: () => ({ name: "Bäckerei Õnne OÜ", address: { value: "Ülikooli 1, Tartu" } }),
    changed: () => ({ name: "Bäckerei Õnne & Söhne OÜ", visible_to: 3 }),
  });
  life({
    name: "persons", api: persons, list: "getPersons", get: "getPerson", add: "addPerson", update: "updatePerson",
    remove: "deletePerson", bodies: ["AddPersonRequest", "UpdatePersonRequest"],
    created: async () => ({ name: "Jüri Tamm", org_id: (await any(organizations, "getOrganizations")).id }),
    changed: () => ({
      name: "Jüri Mägi",
      emails: [{ value: "juri@firm.example", primary: true, label: "work" }, { value: "j@mail.example", primary: false, label: "home" }],
    }),
  });
  life({
    name: "products", api: products, list: "getProducts", get: "getProduct", add: "addProduct", update: "updateProduct",
    remove: "deleteProduct", bodies: ["AddProductRequest", "UpdateProductRequest"],
    created: () => ({ name: "Scanner 12\"", code: "SC-12", prices: [{ currency: "EUR", price: 99.5 }] }),
    changed: () => ({ name: "Scanner 14\"", tax: 20, description: "größer" }),
  });
  life({
    name: "deals", api: deals, list: "getDeals", get: "getDeal", add: "addDeal", update: "updateDeal", remove: "deleteDeal",
    bodies: ["AddDealRequest", "UpdateDealRequest"],
    created: async () => ({ title: "導入 🚀", person_id: (await any(persons, "getPersons")).id, value: 1200, currency: "EUR" }),
    changed: () => ({ title: "導入 phase 2", value: 1500.5, status: "won", expected_close_date: "2027-02-28" }),
  });
  life({
    name: "activities", api: activities, list: "getActivities", get: "getActivity", add: "addActivity", update: "updateActivity",
    remove: "deleteActivity", bodies: ["AddActivityRequest", "AddActivityRequest"],
    created: async () => ({ subject: "Call back", type: "call", deal_id: (await any(deals, "getDeals")).id, due_date: "2027-01-31" }),
    changed: () => ({ subject: "Called back", done: true, due_date: "2027-02-01" }),
  });

  test("a filter parameter narrows the list, include_fields adds counters", async () => {
    const mine = await deal("counted");
    const answer = await deals.getDeals({ ids: String(mine.id), include_fields: "notes_count,followers_count" });
    assert.deepEqual(answer.data.map((row) => row.id), [mine.id]);
    assert.equal(answer.data[0].notes_count, 0);
    const open = await pages((asked) => deals.getDeals({ ...asked, status: "open" }), 200);
    assert.ok(open.rows.length > 0 && open.rows.every((row) => row.status === "open"));
  });

  test("what the description does not know is refused", async () => {
    const answer = await refused(() => deals.addDeal({ AddDealRequest: { title: "x", add_time: "2020-01-01T00:00:00Z" } }));
    assert.equal(typeof answer.error, "string");
    await refused(() => deals.addDeal({ AddDealRequest: { title: "x", value: "12" } }));
    await refused(() => deals.getDeal({ id: 1 }));
  });

  test("archived deals have a list of their own", async () => {
    const { rows } = await pages((asked) => deals.getArchivedDeals(asked), 100);
    assert.ok(rows.length > 0 && rows.every((row) => row.is_archived));
  });
});

describe("what hangs on a deal", () => {
  test("the value follows the products", async () => {
    const api = new v2.DealProductsApi(second);
    const [mine, product] = [await deal("with products"), await any(products, "getProducts")];
    const line = { product_id: product.id, item_price: 90, quantity: 3 };
    const added = await api.addDealProduct({ id: mine.id, AddDealProductRequest: line });
    assert.equal(added.data.sum, 270);
    assert.equal((await deals.getDeal({ id: mine.id })).data.value, 270);
    const bulk = await api.getDealsProducts({ deal_ids: [mine.id] });
    assert.deepEqual(bulk.data.map((row) => row.product_id), [product.id]);
    await api.deleteDealProduct({ id: mine.id, product_attachment_id: added.data.id });
    assert.deepEqual((await api.getDealProducts({ id: mine.id })).data, []);
  });

  test("followers come and go", async () => {
    const mine = await deal("followed");
    const follows = async () => (await deals.getDealFollowers({ id: mine.id })).data.map((row) => row.user_id);
    const before = await follows();
    const users = (await new v1.UsersApi(first).getUsers()).data.map((user) => user.id);
    const user = users.find((id) => !before.includes(id));
    await deals.addDealFollower({ id: mine.id, AddDealFollowerRequest: { user_id: user } });
    assert.ok((await follows()).includes(user));
    await refused(() => deals.addDealFollower({ id: mine.id, AddDealFollowerRequest: { user_id: user } }));
    await deals.deleteDealFollower({ id: mine.id, follower_id: user });
    assert.deepEqual(await follows(), before);
  });

  test("participants come and go", async () => {
    const api = new v1.DealsApi(first);
    const mine = await deal("attended");
    const people = (await persons.getPersons({ limit: 5 })).data.map((row) => row.id).filter((id) => id !== mine.person_id);
    const added = await api.addDealParticipant({ id: mine.id, AddDealParticipantRequest: { person_id: people[0] } });
    const listed = await offsets((asked) => api.getDealParticipants({ id: mine.id, ...asked }));
    assert.ok(listed.some((row) => row.id === added.data.id && row.person_id.value === people[0]));
    await api.deleteDealParticipant({ id: mine.id, deal_participant_id: added.data.id });
    const fewer = await offsets((asked) => api.getDealParticipants({ id: mine.id, ...asked }));
    assert.ok(!fewer.some((row) => row.id === added.data.id));
  });
});

describe("records in v1", () => {
  test("notes: listed by offset, created, changed, deleted", async () => {
    const notes = new v1.NotesApi(first);
    const rows = await offsets((asked) => notes.getNotes(asked));
    distinct(rows);
    const mine = await deal("noted");
    const made = await notes.addNote({ AddNoteRequest: { content: "<p>größer &amp; besser</p><script>x</script>", deal_id: mine.id } });
    assert.ok(!made.data.content.includes("script"), "the service sanitises notes");
    assert.equal(made.data.deal.title, "noted");
    const { id } = made.data;
    await notes.updateNote({ id, NoteRequest: { content: "<b>done</b>" } });
    assert.equal((await notes.getNote({ id })).data.content, "<b>done</b>");
    const again = await offsets((asked) => notes.getNotes(asked), 100);
    assert.equal(again.length, rows.length + 1);
    assert.equal((await notes.deleteNote({ id })).data, true);
    assert.equal((await offsets((asked) => notes.getNotes(asked), 100)).length, rows.length);
  });

  test("files: uploaded, listed, downloaded byte for byte, renamed, deleted", async () => {
    const files = new v1.FilesApi(first);
    const bytes = randomBytes(70_001);
    const mine = await deal("with a file");
    const file = new File([new Blob([bytes])], "Größe 漢字.bin", { type: "application/octet-stream" });
    const made = await files.addFile({ file, deal_id: mine.id });
    assert.equal(made.data.file_size, bytes.length);
    assert.equal(made.data.name, "Größe 漢字.bin");
    const { id } = made.data;
    assert.ok(Buffer.from(await files.downloadFile({ id })).equals(bytes), "the contents came back changed");
    await files.updateFile({ id, name: "renamed.bin", description: "two words" });
    const read = await files.getFile({ id });
    assert.deepEqual([read.data.name, read.data.description], ["renamed.bin", "two words"]);
    const rows = await offsets((asked) => files.getFiles(asked));
    distinct(rows);
    assert.ok(rows.some((row) => row.id === id));
    const old = rows.find((row) => row.id !== id);
    assert.equal(Buffer.from(await files.downloadFile({ id: old.id })).length, old.file_size);
    await files.deleteFile({ id });
    assert.ok(!(await offsets((asked) => files.getFiles(asked), 100)).some((row) => row.id === id));
  });

  test("leads and lead labels", async () => {
    const [leads, labels] = [new v1.LeadsApi(first), new v1.LeadLabelsApi(first)];
    const rows = await offsets((asked) => leads.getLeads(asked));
    distinct(rows);
    assert.ok(rows.every((row) => !row.is_archived));
    const archived = await offsets((asked) => leads.getArchivedLeads(asked));
    assert.ok(archived.length > 0 && archived.every((row) => row.is_archived));
    const label = (await labels.getLeadLabels()).data[0];
    const person = await any(persons, "getPersons");
    const lead = { title: "Messe", person_id: person.id, label_ids: [label.id], value: { amount: 10, currency: "EUR" } };
    const { id } = (await leads.addLead({ AddLeadRequest: lead })).data;
    await leads.updateLead({ id, UpdateLeadRequest: { title: "Messe 2027", value: null } });
    const read = (await leads.getLead({ id })).data;
    assert.deepEqual([read.title, read.value, read.label_ids], ["Messe 2027", null, [label.id]]);
    await leads.deleteLead({ id });
    await refused(() => leads.getLead({ id }));
  });

  test("filters bring their conditions one by one", async () => {
    const filters = new v1.FiltersApi(first);
    const all = (await filters.getFilters()).data;
    assert.ok(all.length > 0 && all.every((row) => row.conditions === undefined));
    const whole = (await filters.getFilter({ id: all[0].id })).data;
    const { conditions, name, type } = whole;
    assert.equal(conditions.conditions.length, 2);
    const made = await filters.addFilter({ AddFilterRequest: { name: `${name} (copy)`, type, conditions } });
    assert.deepEqual((await filters.getFilter({ id: made.data.id })).data.conditions, conditions);
    await filters.deleteFilter({ id: made.data.id });
  });

  test("webhooks, currencies, activity types", async () => {
    const hooks = new v1.WebhooksApi(first);
    const body = { subscription_url: "https://hooks.firm.example/x", event_action: "change", event_object: "deal", name: "mine" };
    const made = await hooks.addWebhook({ AddWebhookRequest: body });
    assert.ok((await hooks.getWebhooks()).data.some((row) => row.id === made.data.id));
    await hooks.deleteWebhook({ id: made.data.id });
    const currencies = (await new v1.CurrenciesApi(first).getCurrencies()).data;
    assert.ok(currencies.some((row) => row.code === "EUR"));
    const types = new v1.ActivityTypesApi(first);
    const type = await types.addActivityType({ AddActivityTypeRequest: { name: "Site visit", icon_key: "car" } });
    assert.equal(type.data.key_string, "site_visit");
    await types.deleteActivityType({ id: type.data.id });
  });
});

describe("fields", () => {
  const lists = {
    deals: () => new v2.DealFieldsApi(second), persons: () => new v2.PersonFieldsApi(second),
    organizations: () => new v2.OrganizationFieldsApi(second), products: () => new v2.ProductFieldsApi(second),
    activities: () => new v2.ActivityFieldsApi(second),
  };
  const calls = {
    deals: "getDealFields", persons: "getPersonFields", organizations: "getOrganizationFields", products: "getProductFields",
    activities: "getActivityFields",
  };
  for (const [name, api] of Object.entries(lists)) {
    test(`${name}: every custom value has a field`, async () => {
      const fields = await pages((asked) => api()[calls[name]](asked), 50);
      const codes = new Set(fields.rows.map((field) => field.field_code));
      assert.equal(codes.size, fields.rows.length);
      const list = { deals, persons, organizations, products, activities }[name];
      const rows = await list[`get${name[0].toUpperCase()}${name.slice(1)}`]({ limit: 50 });
      for (const row of rows.data) {
        for (const code of Object.keys(row.custom_fields ?? {})) assert.ok(codes.has(code), `${code} is no field`);
      }
    });
  }

  test("v1 lists the same fields with their numbers", async () => {
    const { rows: current } = await pages((asked) => new v2.DealFieldsApi(second).getDealFields(asked), 500);
    const old = await offsets((asked) => new v1.DealFieldsApi(first).getDealFields(asked), 100);
    const custom = current.filter((field) => field.is_custom_field).map((field) => field.field_code);
    const keys = new Set(old.filter((field) => field.id > 0).map((field) => field.key));
    assert.ok(custom.length > 0 && custom.every((code) => keys.has(code)));
    const leads = await offsets((asked) => new v1.LeadFieldsApi(first).getLeadFields(asked), 100);
    assert.ok(custom.every((code) => leads.some((field) => field.key === code)));
    assert.ok((await new v1.NoteFieldsApi(first).getNoteFields()).data.some((field) => field.key === "content"));
  });

  test("a custom field is made, filled, cleared and deleted", async () => {
    const api = new v2.DealFieldsApi(second);
    const body = { field_name: "Farbe", field_type: "enum", options: [{ label: "rot" }, { label: "grün" }] };
    const field = (await api.addDealField({ AddDealFieldRequest: body })).data;
    assert.match(field.field_code, /^[0-9a-f]{40}$/);
    const mine = await deal("coloured");
    const green = field.options.find((option) => option.label === "grün").id;
    const write = (value) =>
      deals.updateDeal({ id: mine.id, UpdateDealRequest: { custom_fields: { [field.field_code]: value } } });
    assert.equal((await write(green)).data.custom_fields[field.field_code], green);
    await refused(() => write(-1));
    assert.equal((await write(null)).data.custom_fields[field.field_code] ?? null, null);
    await api.deleteDealField({ field_code: field.field_code });
    await refused(() => write(green));
  });

  test("pipelines and their stages", async () => {
    const { rows } = await pages((asked) => new v2.PipelinesApi(second).getPipelines(asked), 100);
    const stages = await new v2.StagesApi(second).getStages({ pipeline_id: rows[0].id });
    assert.ok(stages.data.length > 0 && stages.data.every((stage) => stage.pipeline_id === rows[0].id));
  });
});
