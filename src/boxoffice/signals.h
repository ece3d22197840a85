// What the commands that take care of their end share.
#pragma once

#include <csignal>

namespace boxoffice::cli {

using SignalHandler = void (*)(int);

// What ends a command from outside: Ctrl-C, whoever stops it, and a terminal that goes.
inline constexpr int kEndingSignals[] = {SIGINT, SIGTERM, SIGHUP};

// From now on the signal calls `handler`; but what is ignored stays so, as of what runs in the background of
// a script, or under nohup. What was there before.
inline SignalHandler HandleUnlessIgnored(int signal, SignalHandler handler) {
  const SignalHandler before = std::signal(signal, handler);
  if (before == SIG_IGN) std::signal(signal, SIG_IGN);
  return before;
}

}  // namespace boxoffice::cli
