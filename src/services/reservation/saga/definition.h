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
  Timestamp now;  // when the step began
};

using Action = asio::awaitable<StepResult> (*)(StepContext& context);

// The undo of another step does it too, or there is nothing to undo.
inline constexpr Action kNothingToUndo = nullptr;

// What a refusal of a step means for the seats.
enum class OnRefusal {
  kUndoAll,   // undo this step and all before it
  kKeepHold,  // no money has moved: undo this step, and keep the seats; the reservation is HELD again
  // Where the show gives a grace time, and the seats can be held for so long: undo this step and those before
  // it that moved money; the reservation is HELD again. So also, but for as long as it is held already, where
  // seats that were held before are to be paid in a way that there is not. Otherwise as kUndoAll.
  kGrace,
  kEndThere,  // nothing was done, and this step's undo keeps a late duplicate from doing it: the saga ends
};

struct Step {
  std::string_view name;
  Action action;
  Action undo;
  OnRefusal on_refusal = OnRefusal::kUndoAll;
  bool is_hold = false;  // its undo gives up the seats: KeepSeats where the reservation becomes HELD again
  // Its undo gives back money or seats: nobody is told of a refusal while it is not done.
  bool gives_back = true;
};

struct SagaDefinition {
  std::string_view name;
  int version;
  std::vector<Step> steps;
  State done;     // the reservation's state when all steps are done
  State undone;   // and when all are undone
  bool can_undo;  // else it only goes forward, until done or parked, but for kEndThere
};

// Holds the seats for the show's grace time from now on, or for longer where they were held before the saga.
[[nodiscard]] asio::awaitable<StepResult> HoldForGrace(StepContext& context);
// Instead of the undo of a step that is a hold, where the reservation becomes HELD again: the seats stay held
// as long as they would be without the saga, or for the grace time.
[[nodiscard]] asio::awaitable<StepResult> KeepSeats(StepContext& context);

// The definition of a kind that is known. Stays the same for the life of the program.
[[nodiscard]] const SagaDefinition& DefinitionOf(SagaKind kind);

}  // namespace boxoffice::reservation
