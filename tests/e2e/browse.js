// Opens a page in a real Chromium as people do: in light and in dark, on a desk and on a phone.
// Prints what it finds, one object as JSON.
//
//   node browse.js PAGE.html
'use strict';
const url = require('url');
const {chromium} = require('playwright-core');

const LAUNCH = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};
const SCHEMES = ['light', 'dark'];
const WIDTHS = {desktop: 1280, phone: 360};
const HEIGHT = 900;

// Runs in the page.
function look() {
  const seen = (element) => element.getClientRects().length > 0;
  const texts = (element, selector) =>
    [...element.querySelectorAll(selector)].map((each) => each.textContent);
  const charts = [...document.querySelectorAll('svg')].filter(seen).map((svg) => ({
    title: svg.querySelector('title').textContent,
    named: svg.getAttribute('aria-labelledby').split(' ')
      .every((id) => document.getElementById(id).textContent !== ''),
    units: texts(svg, '.unit'),
    ticks: texts(svg, '.tick').length,
    marks: [...svg.querySelectorAll('.bar, .line, .dot')].filter((mark) => {
      const box = mark.getBoundingClientRect();
      return box.width + box.height > 0;
    }).length,
    // What is drawn outside of it can't be read.
    outside: [...svg.querySelectorAll('text')].filter((text) => {
      const inner = text.getBoundingClientRect();
      const outer = svg.getBoundingClientRect();
      return inner.left < outer.left - 1 || inner.right > outer.right + 1 ||
        inner.bottom > outer.bottom + 1;
    }).map((text) => text.textContent),
  }));
  const style = getComputedStyle(document.body);
  return {
    charts,
    panels: [...document.querySelectorAll('section')].map((section) => ({
      title: section.querySelector('h2').textContent,
      filled: [...section.querySelectorAll('svg, table, .nothing')].some(seen),
    })),
    text: document.body.innerText,
    strangers: texts(document, 'script, img, iframe, object, b'),
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    colors: [style.color, style.backgroundColor],
  };
}

async function visit(browser, page, scheme, width) {
  const context = await browser.newContext({
    colorScheme: scheme, viewport: {width, height: HEIGHT}});
  const tab = await context.newPage();
  const complaints = [];
  const requests = [];
  tab.on('console', (message) => complaints.push(message.text()));
  tab.on('pageerror', (error) => complaints.push(String(error)));
  tab.on('request', (request) => requests.push(request.url()));
  await tab.goto(page);
  const found = await tab.evaluate(look);
  await context.close();
  return {...found, complaints, requests: requests.filter((each) => each !== page)};
}

async function main() {
  const page = url.pathToFileURL(process.argv[2]).href;
  const browser = await chromium.launch(LAUNCH);
  const views = {};
  for (const scheme of SCHEMES) {
    for (const [kind, width] of Object.entries(WIDTHS)) {
      views[`${scheme} ${kind}`] = await visit(browser, page, scheme, width);
    }
  }
  await browser.close();
  process.stdout.write(JSON.stringify(views));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
