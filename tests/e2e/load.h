// Buyers without end: in parties they queue together, charge, hold and pay, on several connections at once. A
// request whose answer was lost, or is not there yet, is kept, to be asked again later: the load goes on
// meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "e2e/system.h"

namespace boxoffice::e2e {

struct LoadOptions {
  std::string name = "client";  // begins the name of every buyer: each buys once
  int clients = 16;
  uint64_t seed = 1;
  milliseconds pause{0};         // of a client, between two buyers
  milliseconds timeout{20'000};  // without an answer by then, it is lost
  uint16_t gateway = 0;          // whom they ask; 0: each client another one, by turns
};

// Runs from its constructor to Stop. Use it from one thread.
class Load {
 public:
  // `system` outlives it.
  Load(const System& system, const std::string& show, const LoadOptions& options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // No more buyers; returns when what is under way is answered. Again: no effect. What follows comes after
  // it.
  void Stop();

  // Asks again for what is in doubt, with the same keys; what has no answer yet stays in doubt.
  void AskAgain();
  [[nodiscard]] size_t in_doubt() const;
  [[nodiscard]] int asked_again() const;
  // How often each answer came: "201 CONFIRMED", "409 seats_taken".
  [[nodiscard]] std::map<std::string, int> outcomes() const;
  // What no buyer may see, whatever is down: a fault, a 503 without Retry-After, no answer at all within the
  // time-out; each by its answer, some dozens at most.
  [[nodiscard]] std::vector<std::string> complaints() const;
  // Whoever was told that a reservation is CONFIRMED finds it so; else the test fails.
  void ExpectNothingLost() const;

 private:
  class Client;
  const System& system_;
  std::atomic<bool> stop_ = false;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::thread> threads_;
};

}  // namespace boxoffice::e2e
