// Lays out /openapi.json for people. Text from the document only ever becomes text nodes.

/**
 * Makes an element.
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

/**
 * Makes a table that scrolls where the screen is narrow.
 * @param {string[]} heads
 * @param {(Node|string)[][]} rows
 */
function table(heads, rows) {
  const head = el("tr", {}, ...heads.map((h) => el("th", { scope: "col" }, h)));
  const body = rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell))));
  return el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
}

/** @param {string} ref */
const nameOf = (ref) => ref.split("/").pop() ?? "";

/**
 * A schema in a few words, with links to the named ones.
 * @param {any} schema
 * @returns {Node}
 */
function brief(schema) {
  if (!schema) return document.createTextNode("");
  if (schema.$ref) return el("a", { href: "#schema-" + nameOf(schema.$ref) }, nameOf(schema.$ref));
  const parts = new DocumentFragment();
  if (schema.contentSchema) {
    parts.append(schema.contentMediaType ? "signed message (JWS) of " : "events of ", brief(schema.contentSchema));
    return parts;
  }
  if (schema.items) {
    parts.append("list of ", brief(schema.items));
    return parts;
  }
  parts.append(String([schema.type].flat().filter((t) => t !== "null").join(" or ") || "any"));
  if (schema.format) parts.append(", " + schema.format);
  if (schema.enum) parts.append(": " + schema.enum.join(", "));
  if (schema.pattern) parts.append(" ", el("code", {}, schema.pattern));
  if (schema.minimum !== undefined || schema.maximum !== undefined) {
    parts.append(` ${schema.minimum ?? ""} to ${schema.maximum ?? ""}`);
  }
  if (schema.maxLength !== undefined) parts.append(`, at most ${schema.maxLength} characters`);
  return parts;
}

/**
 * A schema's fields.
 * @param {any} schema
 * @returns {Node}
 */
function fields(schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, p]) =>
    [el("code", {}, name), brief(p), required.has(name) ? "yes" : "no", p.description ?? ""]);
  return rows.length ? table(["field", "is", "required", "meaning"], rows) : el("p", {}, brief(schema));
}

/** @param {Record<string, any>} content */
function contents(content) {
  const parts = new DocumentFragment();
  for (const [type, media] of Object.entries(content ?? {})) {
    parts.append(el("p", {}, el("code", {}, type), ": ", brief(media.schema)));
    if (media.schema?.properties) parts.append(fields(media.schema));
  }
  return parts;
}

/**
 * Problem codes with links to what they mean.
 * @param {string} list
 */
function codes(list) {
  const parts = new DocumentFragment();
  for (const code of list.split(", ")) {
    parts.append(parts.childNodes.length ? ", " : "", el("a", { href: "#code-" + code }, code));
  }
  return parts;
}

/** @param {any} op */
function callers(op) {
  const names = (op.security ?? []).map((s) => Object.keys(s)[0] ?? "device's signature on the body");
  return names.length ? names.map((n) => n.replaceAll("_", " ")).join(", or ") : "anybody";
}

/**
 * A value of an example as text: JSON, or what it is.
 * @param {any} value
 */
const shown = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 2);

/**
 * The example of a body, with what it says if it is signed.
 * @param {Record<string, any>|undefined} content
 */
function exampleOf(content) {
  for (const media of Object.values(content ?? {})) {
    const example = media.examples?.story;
    if (!example) continue;
    const parts = new DocumentFragment();
    const signed = example["x-signed"];
    if (signed) parts.append(el("p", {}, "Signed, with this header and these claims:"), el("pre", { tabindex: "0" }, shown(signed.header) + "\n" + shown(signed.claims)));
    parts.append(el("pre", { tabindex: "0" }, shown(example.value)));
    return parts;
  }
  return "";
}

/**
 * What happened when the operation was tried.
 * @param {string} method
 * @param {string} path
 * @param {any} op
 */
function story(method, path, op) {
  const query = [], headers = [];
  for (const p of op.parameters ?? []) {
    if (p.example === undefined) continue;
    const text = String(p.example);
    if (p.in === "path") path = path.replace("{" + p.name + "}", encodeURIComponent(text));
    else if (p.in === "query") query.push(p.name + "=" + encodeURIComponent(text));
    else headers.push(p.name + ": " + text);
  }
  const by = op["x-example"].by;
  if (by && by !== "device_signature") headers.unshift("Authorization: Bearer " + by.replaceAll("_", " "));
  const line = method.toUpperCase() + " " + path + (query.length ? "?" + query.join("&") : "");
  const [status, answer] = Object.entries(op.responses).find(([, r]) => exampleOf(r.content)) ?? ["", {}];
  return el("details", {}, el("summary", {}, "Example: " + op["x-example"].summary),
    el("pre", { tabindex: "0" }, [line, ...headers].join("\n")), exampleOf(op.requestBody?.content),
    el("p", {}, "is answered with " + status + ":"), exampleOf(/** @type {any} */ (answer).content));
}

/**
 * One operation.
 * @param {string} method
 * @param {string} path
 * @param {any} op
 */
function operation(method, path, op) {
  const section = el("section", { id: op.operationId },
    el("h2", {}, op.summary),
    el("p", { class: "path" }, el("span", { class: "method " + method }, method.toUpperCase()), " " + path));
  if (op.description) section.append(el("p", {}, op.description));
  section.append(el("p", {}, "For: " + callers(op) + "."));
  if (op.parameters?.length) {
    section.append(el("h3", {}, "Parameters"), table(["name", "in", "is", "required", "meaning"], op.parameters.map((/** @type {any} */ p) =>
      [el("code", {}, p.name), p.in, brief(p.schema), p.required ? "yes" : "no", p.description ?? ""])));
  }
  if (op.requestBody) {
    section.append(el("h3", {}, "Body"));
    if (op.requestBody.description) section.append(el("p", {}, op.requestBody.description));
    section.append(contents(op.requestBody.content));
  }
  section.append(el("h3", {}, "Answers"), table(["status", "is", "meaning"], Object.entries(op.responses).map(([status, r]) =>
    [status, contents(r.content), r.content?.["application/problem+json"] ? codes(r.description) : r.description])));
  if (op["x-example"]) section.append(story(method, path, op));
  return section;
}

/** @param {any} doc */
function render(doc) {
  const main = /** @type {HTMLElement} */ (document.getElementById("content"));
  const toc = /** @type {HTMLElement} */ (document.getElementById("toc"));
  const about = /** @type {HTMLElement} */ (document.getElementById("about"));
  about.replaceChildren(doc.info.description + " Version " + doc.info.version + ". The source of this page: ",
    el("a", { href: "/openapi.json" }, "/openapi.json"), ".");
  /** @type {Map<string, HTMLElement>} */
  const lists = new Map();
  /** @param {string} group @param {string} id @param {string} text */
  const list = (group, id, text) => {
    if (!lists.has(group)) {
      const ul = el("ul", {});
      lists.set(group, ul);
      toc.append(el("h2", {}, group), ul);
    }
    lists.get(group)?.append(el("li", {}, el("a", { href: "#" + id }, text)));
  };
  for (const tag of doc.tags) {
    for (const [path, item] of Object.entries(doc.paths)) {
      for (const [method, op] of Object.entries(/** @type {Record<string, any>} */ (item))) {
        if (op.tags[0] !== tag.name) continue;
        main.append(operation(method, path, op));
        list(tag.name, op.operationId, op.summary);
      }
    }
  }
  main.append(el("section", { id: "story" }, el("h2", {}, "The examples as one story"),
    el("ol", {}, ...doc["x-story"].map((/** @type {any} */ s) => el("li", {}, el("a", { href: "#" + s.operation }, s.summary))))));
  list("reference", "story", "The examples as one story");
  main.append(el("section", { id: "versioning" }, el("h2", {}, "What may change"), el("p", {}, doc["x-versioning"])));
  list("reference", "versioning", "What may change");
  main.append(el("section", { id: "codes" }, el("h2", {}, "Problem codes")));
  main.append(table(["code", "status", "meaning", "same request may work later"], doc["x-problem-codes"].map((/** @type {any} */ c) =>
    [el("code", { id: "code-" + c.code }, c.code), String(c.status), c.title, c.retryable ? "yes" : "no"])));
  list("reference", "codes", "Problem codes");
  for (const [name, schema] of Object.entries(doc.components.schemas)) {
    main.append(el("section", { id: "schema-" + name }, el("h2", {}, name), fields(schema)));
    list("schemas", "schema-" + name, name);
  }
}

/** Hides what does not match what was typed. */
function find() {
  const wanted = /** @type {HTMLInputElement} */ (document.getElementById("find")).value.toLowerCase();
  for (const item of document.querySelectorAll("#toc li")) {
    item.toggleAttribute("hidden", !(item.textContent ?? "").toLowerCase().includes(wanted));
  }
}

document.getElementById("find")?.addEventListener("input", find);
try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error("status " + answer.status);
  render(await answer.json());
  document.querySelector("nav")?.removeAttribute("hidden");
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
} catch (e) {
  const about = document.getElementById("about");
  about?.replaceChildren("The reference cannot be shown: " + (e instanceof Error ? e.message : "unknown reason") + ".");
  about?.setAttribute("role", "alert");
}
