// Opens a page as `screenshots.sh` asks, judges it, and takes its pictures: node screenshots.cjs PAGE FOLDER
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const axe = require("axe-core");
const { chromium } = require("playwright-core");
const { HtmlValidate } = require("html-validate");

const [page, folder] = process.argv.slice(2);
const views = [
  { name: "report-light", colorScheme: "light", viewport: { width: 960, height: 1400 } },
  { name: "report-dark", colorScheme: "dark", viewport: { width: 960, height: 1400 } },
  { name: "report-phone", colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
];
const mostBytes = 200_000;
const faults = [];

async function look(browser, { name, ...view }) {
  const context = await browser.newContext(view);
  const tab = await context.newPage();
  const asked = [];
  tab.on("console", (message) => faults.push(`${name}: console: ${message.text()}`));
  tab.on("pageerror", (error) => faults.push(`${name}: ${error}`));
  tab.on("request", (request) => asked.push(request.url()));
  await tab.goto(pathToFileURL(page).href, { waitUntil: "load" });
  const file = path.join(folder, `${name}.png`);
  await tab.screenshot({ path: file });
  const bytes = fs.statSync(file).size;
  console.log(`${file}: ${bytes} bytes`);
  if (bytes > mostBytes) faults.push(`${file} has ${bytes} bytes`);
  if (asked.length !== 1) faults.push(`${name}: asked for ${asked.join(", ")}`);
  const wide = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) faults.push(`${name}: ${wide} pixels stand out at the side`);
  // Everything that folds is judged as well.
  await tab.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  await tab.evaluate(axe.source);
  const found = await tab.evaluate(() => window.axe.run(document));
  for (const { id, help, nodes } of found.violations) {
    faults.push(`${name}: axe: ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
  }
  console.log(`${name}: axe ${axe.version}: ${found.passes.length} rules passed, ${found.violations.length} violated, ` +
    `${found.incomplete.length} undecided${found.incomplete.length ? `: ${found.incomplete.map((one) => one.id).join(", ")}` : ""}`);
  await context.close();
}

async function main() {
  // Style is the program's business; what the standard says and what keeps readers out is judged.
  const judge = new HtmlValidate({ extends: ["html-validate:standard", "html-validate:a11y"] });
  const report = await judge.validateString(fs.readFileSync(page, "utf8"));
  for (const { messages } of report.results) {
    for (const { ruleId, message, line, column } of messages) faults.push(`html-validate: ${ruleId}: ${message} (${line}:${column})`);
  }
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  for (const view of views) await look(browser, view);
  await browser.close();
  const distinct = [...new Set(faults)];
  distinct.slice(0, 40).forEach((fault) => console.error(fault));
  if (distinct.length) {
    console.error(`${distinct.length} faults`);
    process.exit(1);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
