// A reservation that is as it should be, in which tests of the invariants plant what is not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "audit/invariants.h"

namespace boxoffice::audit {

inline constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);  // when it is judged
inline constexpr Bounds kBounds;

inline EventId MakeEventId(uint8_t n) {
  const std::string bytes(16, static_cast<char>(n));
  return *EventId::FromBytes(bytes);
}

inline ReservationId MakeId(uint8_t n) {
  const std::string bytes(16, static_cast<char>(n));
  return *ReservationId::FromBytes(bytes);
}

// Two seats of show 7, bought by mina for 300 KRW in two steps, a minute ago.
inline Case Confirmed() {
  Case facts;
  facts.id = MakeId(1);
  ReservationFact reservation;
  reservation.user_id = "mina";
  reservation.show_id = 7;
  reservation.seats = {{1, 100}, {2, 200}};
  reservation.amount = 300;
  reservation.currency = "KRW";
  reservation.state = State::kConfirmed;
  reservation.saga_kind = "confirm";
  reservation.saga_started_at = kNow - milliseconds(61'000);
  reservation.version = 4;
  reservation.updated_at = kNow - milliseconds(60'000);
  facts.reservation = reservation;
  facts.debits = {{"mina", "KRW", 300, 0, 1}};
  facts.payments = {{1, PaymentState::kApproved, "mina", 300, "KRW", ""}};
  facts.seats = {{7, 1, true, facts.id, {}}, {7, 2, true, facts.id, {}}};
  facts.events = {{MakeEventId(1), EventType::kHeld, 2, 300},
                  {MakeEventId(2), EventType::kConfirmed, 4, 300}};
  return facts;
}

inline std::vector<Violation> Judge(const Case& facts) { return CheckCase(facts, kNow, kBounds); }

inline auto NamesOnly(Invariant invariant) {
  return testing::ElementsAre(testing::Field(&Violation::invariant, invariant));
}

}  // namespace boxoffice::audit
