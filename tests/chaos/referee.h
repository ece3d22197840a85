// What must be true once the faults are over and nobody asks any more.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "chaos/crowd.h"
#include "chaos/probe.h"
#include "chaos/stage.h"
#include "platform/auth/token.h"

namespace boxoffice::chaos {

// How a round ended.
struct Verdict {
  std::vector<std::string> violations;  // empty: none
  milliseconds sagas_ended{0};          // since the last fault's end; none was left unfinished
  uint64_t confirmed = 0;               // the crowd's reservations, as they are at the end
  uint64_t seats = 0;                   // of them
  uint64_t cancelled = 0;
  uint64_t unknowns = 0;       // operations of which nobody was told how they ended
  uint64_t unknowns_done = 0;  // of these: what was read shows that they were done
  std::string audited;         // what the auditor looked at, as JSON
};

// Asks as an operator, of whichever gateway answers. Not thread-safe.
class Referee {
 public:
  // `idle` is called while it waits: it keeps the stage going, and false breaks off. Both outlive it.
  using Idle = std::function<bool(milliseconds)>;
  Referee(const Stage& stage, const auth::TokenIssuer& issuer, Idle idle)
      : stage_(stage), issuer_(issuer), idle_(std::move(idle)) {}

  // A show of rows of 50 seats, with a queue that lets everybody in; its id. Error: show (and why).
  [[nodiscard]] Result<std::string> MakeShow(uint32_t seats, std::chrono::seconds hold_ttl);
  // After the faults have ended, at `ended`, and the crowd has gone. `skew`: by how much clocks were off.
  [[nodiscard]] Verdict Judge(const Crowd& crowd, const std::string& show, Timestamp ended,
                              milliseconds skew);

 private:
  Reply Ask(const std::string& method, const std::string& path, const std::string& body = {},
            milliseconds timeout = milliseconds(10'000));
  [[nodiscard]] Reply AskAs(const std::string& token, const Question& question, milliseconds timeout);
  // False: not within that long.
  bool Await(milliseconds limit, const std::function<bool()>& done);
  void CheckReady(Verdict& verdict);
  void CheckSagas(Verdict& verdict, Timestamp ended);
  void CheckBuying(Verdict& verdict, const std::string& show);
  void CheckEvents(Verdict& verdict);
  void CheckAudit(Verdict& verdict);
  void CheckHistory(Verdict& verdict, const Crowd& crowd, const std::string& show, milliseconds skew);
  [[nodiscard]] bool ReadReservations(const std::string& show, sim::FinalRead& read);
  [[nodiscard]] bool ReadWallets(const std::vector<Operation>& history, sim::FinalRead& read);
  static void Settle(const std::vector<Operation>& history, const sim::FinalRead& read, Verdict& verdict);

  const Stage& stage_;
  const auth::TokenIssuer& issuer_;
  const Idle idle_;
  const SystemClock clock_;
};

}  // namespace boxoffice::chaos
