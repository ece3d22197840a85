// In a rolling upgrade gateways of two releases share one address: a page of one release may ask the other one for its script
// or its styles, which are not there. Then it says so, and is loaded again until all of it comes from one release. This file
// has no hash in its name, so each release has it.
(() => {
  const kTries = 8;
  const kPauseMs = 1_000; // before the first one, and twice as long each time; about, so that not all come at once
  const kMaxPauseMs = 8_000;
  const kKey = 'loaded-again';
  let missing = false;

  // The page's own parts alone: what it fetches after its start has a way on of its own.
  const note = ({ target }) => {
    const url = target.localName === 'script' ? target.src : target.rel === 'stylesheet' ? target.href : '';
    missing ||= url.startsWith(`${location.origin}/assets/`);
  };

  function loaded() {
    removeEventListener('error', note, true);
    if (missing) document.getElementById('late').hidden = false;
    try {
      const tried = Number(sessionStorage.getItem(kKey));
      // Whoever loads it by hand after the last one begins anew.
      if (!missing || tried >= kTries) return sessionStorage.removeItem(kKey);
      sessionStorage.setItem(kKey, String(tried + 1));
      setTimeout(() => location.reload(), Math.min(kMaxPauseMs, kPauseMs * 2 ** tried) * (0.5 + Math.random()));
    } catch {
      // A browser that keeps nothing could not tell how often it was: its visitor has the link.
    }
  }

  addEventListener('error', note, true);
  addEventListener('load', loaded, { once: true });
})();
