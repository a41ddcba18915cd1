// Every text of the page that a person reads, in one place.

export const TEXTS = {
  title: "amplifierd",
  skip: "Skip to content",
  nav: { label: "Views", sessions: "Sessions", profiles: "Profiles", directories: "Directories", status: "Status" },
  search: {
    label: "Search messages",
    title: (/** @type {string} */ words) => `Messages with “${words}”`,
    none: "No message has all of these words.",
    hint: "Words in quotes are a phrase; a word with a star* matches words that begin with it.",
    count: (/** @type {number} */ hits, /** @type {number} */ sessions) =>
      `${plural(hits, "message")} in ${plural(sessions, "session")}`,
  },
  sessions: {
    title: "Sessions",
    none: "No session yet",
    noneHint: "A session appears here as soon as a program creates one.",
    noMatch: "No session matches these filters.",
    more: "Show more",
    create: "New session",
    filters: "Filters",
    name: "Name",
    status: "Status",
    profile: "Profile",
    directory: "Directory",
    sort: "Sort",
    any: "Any status",
    sorts: {
      "-updated_at": "Last updated",
      updated_at: "Longest unchanged",
      "-created_at": "Newest",
      created_at: "Oldest",
    },
  },
  status: {
    created: "Created",
    active: "Active",
    completed: "Completed",
    failed: "Failed",
    terminated: "Terminated",
  },
  roles: { user: "User", assistant: "Assistant", system: "System", developer: "Developer", tool: "Tool" },
  session: {
    untitled: "Untitled session",
    messages: (/** @type {number} */ count) => plural(count, "message"),
    tokens: (/** @type {number} */ count) => plural(count, "token"),
    transcript: "Transcript",
    empty: "This session has no messages.",
    toEnd: "Go to the end",
    newMessages: (/** @type {number} */ count) => plural(count, "new message"),
    deleted: "This session was deleted.",
    loading: "Loading messages",
    goTo: "Go to message",
    position: (/** @type {number} */ first, /** @type {number} */ total) => `${number(first)} of ${number(total)}`,
  },
  message: {
    link: (/** @type {number} */ sequence) => `Link to message ${sequence}`,
    fork: "Fork from here",
    copy: "Copy",
    copied: "Copied",
    showAll: (/** @type {string} */ size) => `Show all (${size})`,
    showParts: (/** @type {number} */ count) => `Show all ${number(count)} parts`,
    reasoning: "Reasoning",
    hiddenReasoning: "The provider keeps this reasoning to itself.",
    call: "Call",
    result: "Result",
    failed: "failed",
    empty: "No text",
    file: "File",
    source: "Source",
    data: "Data",
  },
  composer: {
    label: "Message",
    placeholder: "Append a message as user",
    send: "Send",
    hint: "Ctrl+Enter sends",
    ended: "This session has ended; resume it to append messages.",
    conflict: "Somebody else appended a message first. Read it, then send yours again.",
  },
  actions: {
    rename: "Rename",
    complete: "Complete",
    resume: "Resume",
    branches: "Branches",
    export: "Export",
    remove: "Delete",
    save: "Save",
    cancel: "Cancel",
    close: "Close",
    retry: "Try again",
    conflict: "The session was changed meanwhile; the page now shows it as it is. Try again if you still want to.",
    removeTitle: "Delete this session?",
    removeText: (/** @type {number} */ count) =>
      `The session and its ${plural(count, "message")} are deleted for good. Its branches stay.`,
    createTitle: "New session",
  },
  branches: {
    title: "Branches",
    none: "This session is not a branch, and has none. Fork it from any message.",
    at: (/** @type {number} */ sequence) => `forked after message ${number(sequence)}`,
    here: "this session",
    compare: "Compare",
  },
  compare: {
    title: "Two branches",
    shared: (/** @type {number} */ count) =>
      count === 0 ? "They share no messages." : `They share their first ${plural(count, "message")}.`,
    legend: "Words that only one branch has are marked.",
    same: "Same in both branches",
    nothing: "No message",
    earlier: "Earlier",
    later: "Later",
    end: "Neither branch has messages after this.",
  },
  profiles: {
    title: "Profiles",
    active: "active",
    builtIn: "built in",
    create: "New profile",
    file: "Profile as a file",
    createHint: "YAML between two --- lines, then the instructions as Markdown.",
    edit: "Edit",
    description: "Description",
    instructions: "Instructions",
    activate: "Make active",
    removeTitle: "Delete this profile?",
    removeText: "Sessions that have it keep their copy.",
    template:
      "---\nprofile: {name: example/brief, version: 1.0.0, schema_version: 2}\nsession:\n  orchestrator: " +
      "{module: loop-basic}\n---\n\nBe brief.\n",
  },
  directories: {
    title: "Directories",
    none: "No directory yet. Sessions work in the data root.",
    create: "New directory",
    path: "Path",
    profile: "Default profile",
    inherited: (/** @type {string} */ path) => `from ${path}`,
    metadata: "Metadata (JSON)",
    edit: "Edit",
    badJson: "The metadata is not a JSON object.",
    sessions: (/** @type {number} */ count) => plural(count, "session"),
  },
  service: {
    title: "Status",
    state: "Daemon",
    running: "Running",
    health: "Health",
    healthy: "Healthy",
    version: "Version",
    uptime: "Running for",
    storage: "Storage",
    storages: { sqlite: "SQLite", postgresql: "PostgreSQL" },
    reference: "API reference",
  },
  key: {
    title: "This server needs a key",
    label: "Key",
    hint: "The key is kept for this tab only.",
    open: "Open",
    forget: "Forget the key",
    readOnly: "Read only",
  },
  keys: {
    title: "Keyboard",
    open: "Keyboard shortcuts",
    list: /** @type {[string, string][]} */ ([
      ["/", "search"],
      ["j, k", "next and previous"],
      ["enter", "open"],
      ["esc", "close, or go up"],
      ["home, end", "first and last message"],
      ["?", "this list"],
    ]),
  },
  theme: { label: "Theme", light: "Light", dark: "Dark", system: "System" },
  failed: "This did not work",
  offline: "The server cannot be reached.",
  loading: "Loading",
};

/**
 * A number with its noun: `1 message`, `1,200 messages`.
 *
 * @param {number} count
 * @param {string} noun
 */
function plural(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString("en");
}
