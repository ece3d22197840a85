const kMaxPauseMs = 20_000;
const kMaxToldMs = 60_000; // a proxy may say more, for which nobody waits

// Before what was refused, or got no answer, `tried` times is asked for again: twice as long each time, no sooner than it says, and not
// by all at once.
export const pauseMs = (tried: number, toldMs = 0): number =>
  Math.min(kMaxToldMs, Math.max(toldMs, Math.min(kMaxPauseMs, 1000 * 2 ** tried))) * (1 + Math.random());
