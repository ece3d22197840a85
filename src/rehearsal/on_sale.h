// Plays an on-sale: buyers arrive in an open loop, queue, choose, hesitate, pay, and give up, over the public
// REST interface of a running system.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rehearsal/advice.h"
#include "rehearsal/arrivals.h"
#include "rehearsal/buyer.h"
#include "rehearsal/histogram.h"
#include "rehearsal/http_load.h"

namespace boxoffice::rehearsal {

struct OnSaleOptions {
  std::vector<Endpoint> gateways;  // at least one
  size_t connections = 256;        // all together: of more requests than that at once, the others wait
  std::string show;
  int seat_limit = 8;  // the show's
  ArrivalPlan arrivals;
  Behaviour behaviour;
  std::chrono::seconds limit{600};              // nothing is asked after it
  std::chrono::seconds request_limit{30};       // who has no answer by then, asks again
  std::chrono::milliseconds slow_after{1'000};  // of holds and payments, for the advice
  uint64_t seed = 1;
  std::string run;           // begins every Idempotency-Key: no two runs may have the same
  std::string operator_jwt;  // to watch the queue; empty: it isn't
  // The buyers' names, where they don't top up their wallets by themselves: the operator credits them.
  std::vector<std::string> credited;
};

struct StepFigures {
  // Of answers, from when the buyer meant to ask; without those that say that it is busy. That of a hold or a
  // payment which was answered 202 ends when its outcome is known.
  Histogram latency;
  uint64_t asked = 0;       // answered or lost, but not by Ctrl-C
  uint64_t overloaded = 0;  // 429, 503 and other faults, and no answer
};

struct OnSaleFigures {
  std::array<StepFigures, kSteps> steps;
  std::array<uint64_t, kEndings> endings{};
  uint64_t arrived = 0;
  uint64_t unfinished = 0;  // arrived, and the time was over
  uint64_t admitted = 0;    // buyers who were told that they are in
  uint64_t confirmed = 0;   // reservations
  uint64_t seats_bought = 0;
  uint64_t seats_cancelled = 0;  // of them
  // Expected answers that are no: by "step code". What a 202 came to counts as its hold's or payment's.
  std::map<std::string, uint64_t> refusals;
  // The others, by "step code"; "not_settled": answered 202, and asked about until its buyer gave up.
  std::map<std::string, uint64_t> errors;
  std::vector<Second> seconds;
  std::chrono::nanoseconds elapsed{0};
  std::optional<double> none_free_s;  // since the opening: the system said that no seat is free, for now
  // Since the opening: the system said that no seat is free, held, or kept for the buyers of a channel.
  std::optional<double> sold_out_s;
  int64_t kept_for_channels = 0;      // free seats, but for these buyers alone; as last told
  std::optional<double> cancelled_s;  // since the opening: the system said that the show is cancelled
  std::string watch_failure;          // the last refusal to tell of the queue, "403 forbidden"; empty: none
  Histogram behind;                   // how late requests were sent
  [[nodiscard]] uint64_t Requests() const;
  [[nodiscard]] uint64_t ErrorCount() const;
  // The generator could not keep up: a percent of its requests were sent over 50 ms late. What was measured
  // is then partly its own delay.
  [[nodiscard]] bool HeldUp() const { return behind.Percentile(0.99) > std::chrono::milliseconds(50); }
};

// `tokens`: a JWT for each buyer; they are as many as options.arrivals.buyers. `progress` is called each
// second. Ends when every buyer has ended, when the time is over, when the show is cancelled, or if
// Interrupted(). Errors: those of HttpLoad::Connect.
[[nodiscard]] Result<OnSaleFigures> PlayOnSale(const OnSaleOptions& options, std::vector<std::string> tokens,
                                               const std::function<void(const Second& second)>& progress);

}  // namespace boxoffice::rehearsal
