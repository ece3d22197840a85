// Ctrl-C, as a flag: what was started must be ended by its starter.
#pragma once

namespace boxoffice::rehearsal {

// From now on SIGINT and SIGTERM set the flag instead of ending the process; it is not set yet.
void CatchInterrupts();
[[nodiscard]] bool Interrupted();

}  // namespace boxoffice::rehearsal
