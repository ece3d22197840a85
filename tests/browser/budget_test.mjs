// What pages may cost: bytes over the wire, and the time that the map of 50,000 seats takes. Times are the page's own work
// (processor time of its main thread, from a trace), so that other work on the machine does not matter; what a clock on the
// wall says is told as well.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gather, until } from './people.mjs';
import { demoShows, signedIn, startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let shows;
let visit, leave, seatsOf; // people.mjs

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  shows = await demoShows(system.url);
  ({ visit, leave, seatsOf } = gather(system, browser));
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

// All bytes that a page costs over the wire, from an empty cache.
async function weigh(path, ready) {
  const somebody = await visit({ user: 'scale' });
  const client = await somebody.context.newCDPSession(somebody.page);
  await client.send('Network.enable');
  let bytes = 0;
  client.on('Network.loadingFinished', (event) => (bytes += event.encodedDataLength));
  await somebody.page.goto(path);
  await somebody.page.locator(ready).first().waitFor();
  await somebody.page.waitForLoadState('networkidle');
  await leave(somebody);
  return bytes;
}

test('the waiting room costs at most 20 kB, and the app at most 200 kB', async () => {
  const operator = await signedIn(system.url, 'olga', 'operator');
  await operator('PATCH', `/v1/admin/shows/${shows.stadium.id}/queue`, { state: 'PAUSED' });
  const waiting = await weigh(`/waiting/${shows.stadium.id}`, '#place:not(:empty)');
  const app = await weigh('/', '.card');
  console.log(`waiting room ${waiting} bytes, app ${app} bytes over the wire`);
  assert.ok(waiting > 1_000 && waiting <= 20_000, `waiting room: ${waiting}`);
  assert.ok(app > 10_000 && app <= 200_000, `app: ${app}`);
});

// What the page's main thread did, from a trace: tasks with begin, wall and processor time in ms, and the page's marks.
async function traced(page, run) {
  await browser.startTracing(page, { categories: ['-*', 'toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline', 'blink.user_timing'] });
  await run();
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const marks = Object.fromEntries(traceEvents.filter((event) => event.cat === 'blink.user_timing').map((event) => [event.name, event]));
  const { pid, tid } = Object.values(marks)[0];
  const tasks = traceEvents
    .filter((event) => event.name === 'RunTask' && event.pid === pid && event.tid === tid && event.tdur !== undefined)
    .map((event) => ({ at: event.ts / 1000, wall: event.dur / 1000, own: event.tdur / 1000 }));
  const between = (from, until) => tasks.filter((task) => task.at + task.wall >= marks[from].ts / 1000 && task.at <= marks[until].ts / 1000);
  return { between, wall: (from, until) => (marks[until].ts - marks[from].ts) / 1000 };
}

const sum = (tasks) => tasks.reduce((total, task) => total + task.own, 0);
const longest = (tasks, key) => Math.max(0, ...tasks.map((task) => task[key]));

test('a map of 50,000 seats is drawn within a second of its data, and moves without a frame over 50 ms', async () => {
  const somebody = await visit({});
  const { page } = somebody;
  // Marks when the data was there, and when the map was on the canvas.
  await page.addInitScript(() => {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (/\/seat-map$/.test(entry.name) && !performance.getEntriesByName('data').length) performance.mark('data', { startTime: entry.responseEnd });
    }).observe({ type: 'resource', buffered: true });
    new MutationObserver(() => {
      if (document.querySelector('.map canvas[data-view]') && !performance.getEntriesByName('drawn').length) performance.mark('drawn');
    }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-view'] });
  });
  const canvas = page.locator('.map canvas[data-view]');
  const loading = await traced(page, async () => {
    await page.goto(`/shows/${shows.stadium.id}/seats?view`);
    await canvas.waitFor();
    await until(() => page.evaluate(() => performance.getEntriesByName('data').length > 0), 'the data to be noted');
  });
  const drawing = loading.between('data', 'drawn');
  console.log(`50,000 seats drawn after their data: ${sum(drawing).toFixed(0)} ms of work, ${loading.wall('data', 'drawn').toFixed(0)} ms on the wall`);
  assert.ok(sum(drawing) > 1 && sum(drawing) <= 1_000, `${sum(drawing)} ms`);

  // As many single seats in view as there can be: just past the overview.
  const seats = await seatsOf(shows.stadium.id);
  const gaps = seats.slice(1).map((seat, i) => (seat.row === seats[i].row && seat.section === seats[i].section ? Math.hypot(seat.x - seats[i].x, seat.y - seats[i].y) : Infinity)).sort((a, b) => a - b);
  const gap = gaps[Math.floor(gaps.filter(Number.isFinite).length / 2)];
  const [scale] = (await canvas.getAttribute('data-view')).split(' ').map(Number);
  const box = await canvas.boundingBox();
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  await page.mouse.move(middle.x, middle.y);
  await page.mouse.wheel(0, -Math.log(3.5 / gap / scale) / 0.0016);
  await until(async () => Number((await canvas.getAttribute('data-view')).split(' ')[0]) * gap > 3.4, 'the map to show single seats');
  const panning = await traced(page, async () => {
    await page.evaluate(() => performance.mark('pan'));
    await page.mouse.down();
    for (let i = 1; i <= 60; ++i) await page.mouse.move(middle.x + 120 * Math.sin(i / 8), middle.y + 60 * Math.sin(i / 5));
    await page.mouse.up();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => { performance.mark('still'); resolve(); }))));
  });
  const frames = panning.between('pan', 'still');
  const work = frames.map((task) => task.own).sort((a, b) => a - b);
  console.log(`moving the map: ${frames.length} tasks, the longest ${longest(frames, 'own').toFixed(1)} ms of work, ${longest(frames, 'wall').toFixed(1)} ms on the wall; of those over 1 ms the median is ${(work.filter((ms) => ms > 1)[work.filter((ms) => ms > 1).length >> 1] ?? 0).toFixed(1)} ms`);
  assert.ok(frames.length > 20 && longest(frames, 'own') <= 50, `a frame of ${longest(frames, 'own')} ms`);
  await leave(somebody);
});
