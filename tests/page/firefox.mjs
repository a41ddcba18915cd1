// The main way through the page in Firefox, by WebDriver BiDi: `node firefox.mjs PROGRAM URL SESSION`.
// Fails if the page runs into an error, breaks its policy, or asks another server for anything.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The packages are those that the page's types are checked with.
const require = createRequire(new URL("../../web/package.json", import.meta.url));
const puppeteer = require("puppeteer-core").default ?? require("puppeteer-core");

const WAIT_MS = 60_000;
const [program, url, session] = process.argv.slice(2);

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: program,
  headless: true,
  timeout: WAIT_MS,
  protocolTimeout: 2 * WAIT_MS,
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const faults = watch(page);
  await page.setViewport({ width: 1400, height: 900 });
  await walk(page);
  assert.deepEqual(faults, []);
  console.log(`${await browser.version()}: the main way works.`);
} finally {
  await browser.close();
}

/** From the list to a message, an answer, a search and a branch. */
async function walk(page) {
  await page.goto(url);
  await page.locator("::-p-text(The main way)").click();
  await shown(page, 120);
  await page.locator("textarea").fill("About *damsons*");
  await page.keyboard.down("Control");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Control");
  await page.waitForSelector("[data-sequence='121'] em");
  await page.goto(`${url}?view=search&q=damsons`);
  await page.locator("[data-item]").click();
  await page.waitForFunction((end) => location.href.endsWith(end), {}, `?session=${session}#121`);
  await shown(page, 121);
  await page.goto(`${url}?session=${session}#60`);
  await page.reload();
  await shown(page, 60);
  await page.hover("[data-sequence='60'] .body");
  await page.locator("[data-sequence='60'] ::-p-text(Fork from here)").click();
  await page.waitForFunction(() => document.querySelector(".session-header")?.textContent.includes("60 messages"));
  await page.goto(`${url}?view=status`);
  await page.waitForSelector("dl.facts");
}

/** Wait until a message is in view. */
async function shown(page, sequence) {
  await page.waitForFunction(
    (number) => {
      const box = document.querySelector(`[data-sequence='${number}']`)?.getBoundingClientRect();
      return box !== undefined && box.bottom > 0 && box.top < innerHeight;
    },
    {},
    sequence,
  );
}

/** What the page must not do, as it does it. */
function watch(page) {
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && faults.push(`console: ${message.text()}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(?:about|data|blob):/.test(request.url())) {
      faults.push(`request: ${request.url()}`);
    }
  });
  return faults;
}
