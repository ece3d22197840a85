// What a run did, what it met, and how it ended.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "chaos/crowd.h"
#include "chaos/faults.h"
#include "chaos/referee.h"

namespace boxoffice::chaos {

// A fault that was.
struct Happened {
  Kind kind = Kind::kKill;
  std::string target;
  Timestamp begin{};
  Timestamp end{};
  // Since the end of its slot, until the last trouble that a buyer met before the next one began.
  milliseconds recovery{0};
};

struct RoundReport {
  std::string show;
  std::vector<Happened> faults;
  Verdict verdict;
  uint64_t asked = 0;
  uint64_t troubles = 0;
  uint64_t operations = 0;
};

struct RunReport {
  uint64_t seed = 1;
  double rate_per_s = 0;
  bool kafka = false;
  std::vector<std::string> left_out;  // kinds, and why
  Timestamp begin{};
  Timestamp end{};
  bool interrupted = false;
  std::vector<RoundReport> rounds;
  std::map<std::string, uint64_t> answers;
  std::vector<std::string> violations;  // each with its round
};

void Add(RunReport& run, RoundReport round, const Crowd& crowd);
// No fault could be done: whatever held, held without.
[[nodiscard]] bool NothingWasBroken(const RunReport& run);
// The command's. 0: nothing was found; 1: a violation; 2: it was interrupted, or nothing was broken.
[[nodiscard]] int ExitCode(const RunReport& run);
[[nodiscard]] std::string RenderTable(const RunReport& run);
[[nodiscard]] std::string RenderJson(const RunReport& run);

}  // namespace boxoffice::chaos
