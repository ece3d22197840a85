// What clients saw, against a sequential model of seats, wallets and reservations: each answer must be one
// that an order of the operations explains, in which each takes its effect between its sending and its
// answer. What nobody was told is settled by what is read at the end.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "services/reservation/reservation.h"

namespace boxoffice::sim {

struct Operation {
  enum class Kind {
    kTopUp,
    kHold,
    kPay,
    kConfirm,
    kCancel,
    kMove,
    kWithhold,  // of seats from buyers, by an operator
  };
  enum class Outcome { kOk, kFailed, kUnknown };
  Kind kind = Kind::kTopUp;
  std::string buyer;
  std::string key;  // of the request
  Timestamp invoked{};
  Timestamp returned{};  // of the last that was heard, also with kUnknown
  Outcome outcome = Outcome::kUnknown;
  std::string refusal;  // with kFailed
  ReservationId reservation;
  reservation::State state = reservation::State::kHeld;  // as it was answered
  std::vector<uint32_t> seats;                           // as asked for, or, once known, as they are
  bool best = false;        // the best that there are: an attempt that failed may have had any
  Timestamp held_until{};   // with kOk and HELD
  int64_t amount = 0;       // of a top-up; what a purchase costs, once known
  int64_t fee = 0;          // of a cancellation, as answered
  uint64_t version = 0;     // of the reservation, as answered
  bool all = true;          // of a cancellation: not some of its seats only
  bool again = false;       // with the key of a request that had been answered before
  bool other_body = false;  // and it is not that request
};

// What is true at the end; all of it was read, and what is not in it does not exist.
struct FinalRead {
  struct Row {
    std::string buyer;
    reservation::State state = reservation::State::kHeld;
    std::vector<uint32_t> seats;
    int64_t amount = 0;
    int64_t fees = 0;
    uint64_t version = 0;
    bool ended_by_show = false;
    bool from_waitlist = false;  // nobody asked for it: it was offered
  };
  std::map<ReservationId, Row> reservations;
  std::map<std::string, int64_t> balances;                        // by buyer; who has no wallet is not in it
  std::map<std::string, std::map<std::string, int64_t>> paid_in;  // by buyer and key: what the ledger has
  std::map<uint32_t, ReservationId> owners;                       // of seats
};

// What no order explains, in words; at most a few per operation. `skew`: by how much clocks may differ.
[[nodiscard]] std::vector<std::string> CheckHistory(const std::vector<Operation>& operations,
                                                    const FinalRead& end, milliseconds skew);
[[nodiscard]] std::string_view OperationName(Operation::Kind kind);
// In a line; times since `start`.
[[nodiscard]] std::string ToString(const Operation& operation, Timestamp start);

}  // namespace boxoffice::sim
