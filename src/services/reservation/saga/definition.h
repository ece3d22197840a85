// A saga is a table of steps, each with its action and its undo. See definitions.cc for the tables.
#pragma once

#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "services/reservation/reservation.h"
#include "services/reservation/saga/participants.h"

namespace boxoffice::reservation {

// What a step works with. The reservation is the saga's own copy; HoldSeats fills it in.
struct StepContext {
  Participants& participants;
  Reservation& reservation;
  const Policy& policy;
};

using Action = asio::awaitable<StepResult> (*)(StepContext& context);

// The undo of another step does it too, or there is nothing to undo.
inline constexpr Action kNothingToUndo = nullptr;

// What a refusal of a step means for the seats.
enum class OnRefusal {
  kUndoAll,   // undo this step and all before it
  kKeepHold,  // no money has moved: undo this step only; the reservation is HELD again
};

struct Step {
  std::string_view name;
  Action action;
  Action undo;
  OnRefusal on_refusal = OnRefusal::kUndoAll;
  bool is_hold = false;  // its undo gives up the seats: left out where the reservation becomes HELD again
};

struct SagaDefinition {
  std::string_view name;
  int version;
  std::vector<Step> steps;
  State done;     // the reservation's state when all steps are done
  State undone;   // and when all are undone
  bool can_undo;  // else it only goes forward, until done or parked
};

// The definition of a kind. Stays the same for the life of the program.
[[nodiscard]] const SagaDefinition& DefinitionOf(SagaKind kind);

}  // namespace boxoffice::reservation
