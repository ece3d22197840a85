#include "rehearsal/interrupt.h"

#include <csignal>

namespace boxoffice::rehearsal {
namespace {

volatile std::sig_atomic_t interrupted = 0;
void Note(int) { interrupted = 1; }

}  // namespace

void CatchInterrupts() {
  interrupted = 0;
  struct sigaction action{};
  action.sa_handler = Note;  // without SA_RESTART: what waits is woken
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() { return interrupted != 0; }

}  // namespace boxoffice::rehearsal
