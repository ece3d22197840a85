// The waiting room. It keeps nothing: joining is idempotent, so a reload gets the same place, and the token of the place
// lives in this page's memory alone.
import { language, words } from './text';

interface Session {
  token: string;
  state: 'WAITING' | 'ACTIVE' | 'COMPLETED' | 'EXPIRED';
  position: number;
  eta_s: number;
  refresh_interval_s: number;
  number: number;
  queue_state: 'OPEN' | 'PAUSED' | 'CLOSED' | 'PREQUEUE' | 'OFF' | null;
  opens_at: string | null;
  show_state?: 'ANNOUNCED' | 'ON_SALE' | 'SOLD_OUT' | 'PAST' | 'CANCELLED' | null; // a gateway of the release before has none
}

const show = location.pathname.split('/')[2] ?? '';
const seats = `/shows/${show}/seats`;
const numbers = new Intl.NumberFormat(language);
let session: Session | undefined;
let first = 0; // the position at the start, for the bar
let failures = 0; // since the last answer
let timer = 0;
let concert = '/';
let out = false; // of the line, by one's own wish
let readAt = -Infinity; // when a screen reader was last given the place

const kReadEveryMs = 20_000;
const kAnswerMs = 15_000;
const kSureMs = 7_500; // for which a second press counts
const kMaxPauseMs = 20_000;
const kMaxToldMs = 60_000; // a proxy may say more, for which no place is kept

// On a connection that is half dead, as after a change of networks, a poll would hang for minutes, and the place be lost
// meanwhile. A browser that knows no such signal waits for that.
const fetched = (path: string, init: RequestInit = {}) => fetch(path, { ...init, signal: AbortSignal.timeout?.(kAnswerMs) });

// Before what was refused, or got no answer, is asked for again: twice as long each time, no sooner than it says, and not by all at once.
// As the app has it (api/pause.ts).
function pauseMs(tried: number, answer?: Response): number {
  const told = 1000 * (Number(answer?.headers.get('Retry-After')) || 0);
  return Math.min(kMaxToldMs, Math.max(told, Math.min(kMaxPauseMs, 1000 * 2 ** tried))) * (1 + Math.random());
}

const element = (id: string) => document.getElementById(id)!;
const say = (id: string, text: string) => {
  // Screen readers repeat what is set, also to the same.
  if (element(id).textContent !== text) element(id).textContent = text;
};
// Near the front the place changes every second, which nobody could listen to: a screen reader gets it now and then.
function sayPlace(place: string, eta: string) {
  const isRead = performance.now() - readAt >= kReadEveryMs;
  if (isRead) readAt = performance.now();
  for (const [id, text] of [['place', place], ['eta', eta]] as const) {
    element(id).setAttribute('aria-live', isRead ? 'polite' : 'off');
    say(id, text);
  }
}
const link = (href: string, text: string) => {
  const a = document.createElement('a');
  a.href = href;
  a.textContent = text;
  a.className = 'button';
  element('act').replaceChildren(a);
};

function duration(s: number): string {
  if (s < 60) return words.seconds(Math.max(1, Math.ceil(s / 5) * 5));
  const minutes = Math.ceil(s / 60);
  return minutes < 60 ? words.minutes(minutes) : words.hours(Math.floor(minutes / 60), minutes % 60);
}

// As the app says it (text/index.ts).
function when(time: string): string {
  const format = (timeZone?: string) =>
    new Intl.DateTimeFormat(language, { year: 'numeric', month: 'short', day: 'numeric', weekday: 'short', hour: 'numeric', minute: '2-digit', timeZone }).format(new Date(time));
  const here = format();
  const seoul = format('Asia/Seoul');
  return here === seoul ? here : `${seoul} ${words.seoul} (${here} ${words.here})`;
}

function stop(lead: string) {
  clearTimeout(timer);
  say('lead', lead);
  for (const id of ['place', 'eta', 'act', 'connection']) say(id, '');
  element('bar').hidden = element('leave').hidden = element('next').hidden = true;
}

function draw(s: Session) {
  document.title = `${s.position > 0 ? `${numbers.format(s.position)} · ` : ''}${words.title} – Boxoffice`;
  say('connection', '');
  element('leave').hidden = false;
  if (s.state === 'ACTIVE') {
    document.title = `★ ${words.turn}`;
    stop(words.turn);
    link(seats, words.go);
    say('eta', words.turnHint);
    enter();
    return;
  }
  if (s.state === 'COMPLETED') {
    stop(words.bought);
    link('/my/reservations', words.tickets);
    offerAgain();
    return;
  }
  if (s.state !== 'WAITING') {
    stop(words.ended);
    offerAgain();
    return;
  }
  const prequeue = s.queue_state === 'PREQUEUE';
  const over = s.show_state === 'PAST' || s.show_state === 'CANCELLED' ? words.over : '';
  const closed = s.queue_state === 'CLOSED';
  const vain = s.show_state === 'SOLD_OUT' ? words.soldOut : over || (closed ? words.stopped : '');
  first = Math.max(first, s.position);
  say('lead', vain || (prequeue ? words.prequeue : s.queue_state === 'PAUSED' ? words.paused : words.keep));
  const place = prequeue ? words.number(numbers.format(s.number)) : s.position === 1 && !closed ? words.next : words.place(numbers.format(s.position));
  const opens = s.opens_at && s.queue_state !== 'OPEN' ? words.opens(when(s.opens_at)) : '';
  const eta = s.eta_s > 0 && s.queue_state !== 'PAUSED' ? words.eta(duration(s.eta_s)) : words.unknownEta;
  // In a sale that was stopped nobody is promised a turn.
  sayPlace(place, opens || (closed ? '' : eta));
  offerElsewhere(vain, s.show_state === 'SOLD_OUT' ? words.waitlist : words.back);
  const bar = element('bar') as HTMLProgressElement;
  bar.hidden = prequeue || first < 2;
  bar.value = first > 1 ? (100 * (first - s.position)) / (first - 1) : 0;
}

// To whoever waits in vain, the concert, where the waitlist is; set once, so that it keeps the focus.
function offerElsewhere(vain: string, text: string) {
  const offered = element('act').querySelector('a');
  if (!vain) offered?.remove();
  else if (offered?.getAttribute('href') !== concert || offered.textContent !== text) link(concert, text);
}

function enter() {
  // Whoever looks elsewhere is told by the title, and goes in on coming back, unless the turn has ended unseen: the seats' page
  // would take a new place then, at the end of the line.
  if (document.visibilityState === 'visible') location.replace(seats);
  else document.addEventListener('visibilitychange', ask, { once: true });
}

// Beside what else is offered.
function offerAgain() {
  const button = document.createElement('button');
  button.textContent = words.again;
  button.onclick = () => {
    session = undefined;
    first = 0;
    element('next').hidden = false;
    say('act', '');
    void ask();
  };
  element('act').append(' ', button);
}

async function ask() {
  clearTimeout(timer);
  if (out) return;
  try {
    const answer = session
      ? await fetched('/v1/queue', { headers: { 'X-Queue-Token': session.token } })
      : await fetched(`/v1/shows/${show}/queue`, { method: 'POST' });
    if (out) return;
    if (answer.status === 401 || answer.status === 403) {
      const code = ((await answer.json()) as { code: string }).code;
      if (out) return;
      // Somebody else has signed in meanwhile, or keys were changed: whoever this is has a place of his own, or gets one.
      if (session && code.startsWith('queue_token')) {
        session = undefined;
        first = 0;
        return void ask();
      }
      if (answer.status === 401) return void location.replace(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
    }
    if (answer.status === 404) {
      stop(words.none);
      return link('/', words.home);
    }
    if (answer.status === 409) {
      const code = ((await answer.json()) as { code: string }).code;
      if (code === 'queue_off') return void location.replace(seats);
      stop(code === 'queue_closed' ? words.closed : words.ended);
      if (code === 'queue_closed') return link(concert, words.back);
      return offerAgain();
    }
    if (!answer.ok) {
      say('connection', words.busy);
      timer = window.setTimeout(ask, pauseMs(failures++, answer));
      return;
    }
    const said = (await answer.json()) as Session;
    if (out) return;
    session = said;
    failures = 0;
    // The queue was taken away: nobody is called any more, and all may go in.
    if (said.queue_state === 'OFF') return void location.replace(seats);
    draw(session);
    if (session.state === 'WAITING') timer = window.setTimeout(ask, 1000 * Math.max(1, session.refresh_interval_s));
  } catch {
    if (out) return;
    say('connection', words.lost);
    timer = window.setTimeout(ask, pauseMs(failures++));
  }
}

// Of "한국어 · English", what the viewer reads.
function nameOf(name: string): string {
  const parts = name.split(' · ');
  return (parts.length === 2 && parts.find((part) => /[가-힣]/.test(part) === (language === 'ko'))) || name;
}

// What is read once is asked for ever less often until it is there, as the page may be open for hours. What is refused for good is
// thrown.
async function read<T>(path: string): Promise<T> {
  for (let tried = 0; ; ++tried) {
    const answer = await fetched(path).catch(() => undefined);
    if (answer && answer.status < 500 && answer.status !== 429 && !answer.ok) throw new Error(`${path}: ${answer.status}`);
    const said = answer?.ok ? ((await answer.json().catch(() => undefined)) as T | undefined) : undefined;
    if (said !== undefined) return said;
    await new Promise((resolve) => window.setTimeout(resolve, pauseMs(tried, answer)));
  }
}

async function describe() {
  const shown = await read<{ concert_id: string; starts_at: string }>(`/v1/shows/${show}`);
  concert = `/concerts/${shown.concert_id}`;
  // What leads back may be on the page already.
  const back = element('act').querySelector('a');
  if (back?.getAttribute('href') === '/') back.href = concert;
  const of = await read<{ title: string; venue: string }>(`/v1${concert}`);
  say('show', `${nameOf(of.title)} · ${nameOf(of.venue)} · ${when(shown.starts_at)}`);
  const view = await read<{ draw: { commitment: string; seed: string | null } | null }>(`/v1/shows/${show}/queue`);
  if (!view.draw) return;
  element('draw').hidden = false;
  say('draw-hash', view.draw.commitment);
  say('draw-seed', view.draw.seed ? words.seed(view.draw.seed) : '');
}

document.documentElement.lang = language;
document.documentElement.dataset.theme = localStorage.getItem('theme') ?? '';
say('title', words.title);
say('lead', words.joining);
say('next-title', words.nextTitle);
say('draw-title', words.drawTitle);
say('draw-text', words.drawText);
element('steps').replaceChildren(...words.steps.map((step) => Object.assign(document.createElement('li'), { textContent: step })));
// One tap, which may have been meant for something else, takes nobody's place: a second one soon after it does.
const leave = element('leave');
let sure: number | undefined;
function forget() {
  clearTimeout(sure);
  sure = undefined;
  leave.textContent = words.leave;
}
forget();
leave.onblur = forget;
leave.onkeydown = (event) => {
  if (event.repeat && event.key === 'Enter') event.preventDefault();
};
leave.onclick = async (event) => {
  if (!session || event.detail > 1) return; // a double click is one press
  if (sure === undefined) {
    sure = window.setTimeout(forget, kSureMs);
    leave.textContent = words.leaveSure;
    return;
  }
  forget();
  say('act', '');
  const answer = await fetched('/v1/queue', { method: 'DELETE', headers: { 'X-Queue-Token': session.token } }).catch(() => undefined);
  // A place that is over already was left, too.
  if (!answer || !(answer.ok || answer.status === 404 || answer.status === 409)) return say('act', words.stays);
  // Whoever asks without a place is given one.
  out = true;
  session = undefined;
  window.removeEventListener('online', ask);
  stop(words.left);
  link(concert, words.back);
};
window.addEventListener('online', ask);
describe().catch(() => undefined);

// Who is not signed in is asked to, before a refusal is on record.
fetched('/v1/session')
  .then((answer) => answer.json())
  .then((who: { user: string | null }) =>
    who.user === null ? location.replace(`/sign-in?next=${encodeURIComponent(location.pathname)}`) : ask(),
  )
  .catch(ask);
