// A real Chromium that does what it is told, a line of JSON at a time:
//
//   {"tab": "ann", "call": "open", "args": [{"javaScript": false}]}
//
// Answers each line with one of its own: {"value": …} or {"error": "…"}.
'use strict';
const readline = require('readline');
const {chromium} = require('playwright-core');
const fs = require('fs');

const LAUNCH = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};
const WAIT_MS_MAX = 120000;
const SERIOUS = ['serious', 'critical'];

const tabs = new Map();

// Texts and controls that lie upon each other, or leave the page.
function misplaced() {
  const boxes = [...document.querySelectorAll('button, input, select, h1, h2, th, td, dd, li > a')]
    .filter((each) => each.getClientRects().length > 0 && !each.closest('.scroll'))
    .map((each) => ({text: each.textContent.trim().slice(0, 40) || each.name || each.tagName,
                     each, box: each.getBoundingClientRect()}));
  const found = [];
  for (const a of boxes) {
    if (a.box.right > window.innerWidth + 1) found.push(`${a.text} leaves the page`);
    for (const b of boxes) {
      if (a === b || a.each.contains(b.each) || b.each.contains(a.each)) continue;
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (wide > 2 && high > 2) found.push(`${a.text} lies upon ${b.text}`);
    }
  }
  return [...new Set(found)].slice(0, 10);
}

const calls = {
  // A browser of its own, without anything of others.
  async open(browser, name, options) {
    const context = await browser.newContext({
      javaScriptEnabled: options.javaScript !== false, colorScheme: options.scheme || 'light',
      viewport: {width: options.width || 1280, height: options.height || 900}, bypassCSP: false});
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS_MAX);
    const tab = {context, page, complaints: [], requests: []};
    page.on('console', (message) => {
      if (message.type() === 'error') tab.complaints.push(message.text());
    });
    page.on('pageerror', (error) => tab.complaints.push(String(error)));
    // Who clicks means it.
    page.on('dialog', (dialog) => dialog.accept());
    page.on('request', (request) => tab.requests.push(request.url()));
    tabs.set(name, tab);
  },
  async close(browser, name) {
    await tabs.get(name).context.close();
    tabs.delete(name);
  },
  async go(browser, name, url) {
    const answer = await tabs.get(name).page.goto(url, {waitUntil: 'domcontentloaded'});
    return answer.status();
  },
  url: (browser, name) => tabs.get(name).page.url(),
  text: (browser, name, selector) => tabs.get(name).page.innerText(selector || 'body'),
  fill: (browser, name, selector, value) => tabs.get(name).page.fill(selector, value),
  files: (browser, name, selector, paths) => tabs.get(name).page.setInputFiles(selector, paths),
  click: (browser, name, selector) => tabs.get(name).page.click(selector),
  press: (browser, name, key) => tabs.get(name).page.keyboard.press(key),
  async focused(browser, name) {
    return tabs.get(name).page.evaluate(
      () => `${document.activeElement.tagName} ${document.activeElement.textContent.trim()}`);
  },
  // Until the page shows it.
  async see(browser, name, pattern) {
    const page = tabs.get(name).page;
    await page.locator('body').filter({hasText: new RegExp(pattern)}).waitFor();
    return page.url();
  },
  async download(browser, name, selector) {
    const page = tabs.get(name).page;
    const [download] = await Promise.all([page.waitForEvent('download'), page.click(selector)]);
    return {name: download.suggestedFilename(),
            content: fs.readFileSync(await download.path()).toString('base64')};
  },
  complaints: (browser, name) => tabs.get(name).complaints,
  requests: (browser, name) => tabs.get(name).requests,
  overflow: (browser, name) => tabs.get(name).page.evaluate(
    () => document.documentElement.scrollWidth - window.innerWidth),
  misplaced: (browser, name) => tabs.get(name).page.evaluate(misplaced),
  // What axe-core calls serious. Run by the debugger, since the page lets no script of others in.
  async axe(browser, name) {
    const page = tabs.get(name).page;
    const source = fs.readFileSync(require.resolve('axe-core'), 'utf8');
    await page.evaluate(`${source}; undefined`);
    const found = await page.evaluate(async () => (await window.axe.run()).violations.map(
      ({id, impact, nodes}) => ({id, impact, nodes: nodes.map((node) => node.html)})));
    return found.filter((each) => SERIOUS.includes(each.impact));
  },
  shot: (browser, name, path) => tabs.get(name).page.screenshot({path, fullPage: true}),
};

async function main() {
  const browser = await chromium.launch(LAUNCH);
  for await (const line of readline.createInterface({input: process.stdin})) {
    const {tab, call, args} = JSON.parse(line);
    let answer;
    try {
      answer = {value: await calls[call](browser, tab, ...args) ?? null};
      if (Buffer.isBuffer(answer.value)) answer.value = null;
    } catch (error) {
      answer = {error: String(error)};
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  await browser.close();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
